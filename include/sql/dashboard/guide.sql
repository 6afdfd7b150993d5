-- G139: what each step last found of each item of the guide, in its newest looks: the newest window with a finding of it,
-- and there the worst. Of a window's step its latest try counts, as in the report; where a report is, it can be opened.
WITH tries AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.step, s.state, w.id AS window_id, w.target, w.cadence, w.due, w.dag_id,
           w.run_id
    FROM upkeep.windows w
    JOIN upkeep.steps s ON s.window_id = w.id
    WHERE w.target = ANY (%(targets)s) AND w.due > %(after)s
    ORDER BY s.window_id, s.step, s.id DESC
),
looks AS MATERIALIZED (
    SELECT t.*, row_number() OVER (PARTITION BY target, cadence, step ORDER BY due DESC, window_id DESC) AS place
    FROM tries t
    WHERE state IN ('ran', 'failed')
)
SELECT DISTINCT ON (l.target, l.cadence, l.step, f.guide)
       l.target, l.cadence, l.step, f.guide, f.level, f.key, l.due, l.dag_id, l.run_id,
       EXISTS (SELECT FROM upkeep.reports r WHERE r.window_id = l.window_id) AS reported
FROM looks l
JOIN upkeep.findings f ON f.step_id = l.id
WHERE l.place <= %(looks)s
ORDER BY l.target, l.cadence, l.step, f.guide, l.place,
         array_position(ARRAY['critical', 'unknown', 'warning', 'advisory', 'ok'], f.level), f.position
