-- G139: what each step last found of each item of the guide, in its newest looks at a target: the newest window with a finding of it,
-- and there the worst. Of a window's step its latest try counts, as in the report; where a report is, it can be opened.
-- ``unseen`` is the newest window in which the step was to look since then and did not: it failed, was kept from it, or
-- left no word (killed). A run by hand that leaves a step out keeps nobody from looking.
WITH tries AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.step, s.state, w.id AS window_id, w.cadence, w.due, w.kind,
           w.dag_id, w.run_id
    FROM upkeep.windows w
    JOIN upkeep.steps s ON s.window_id = w.id
    WHERE w.target = %(target)s AND w.due > %(after)s
    ORDER BY s.window_id, s.step, s.id DESC
),
looks AS MATERIALIZED (
    SELECT t.*, count(*) FILTER (WHERE state IN ('ran', 'failed')) OVER newest AS place,
           first_value(state) OVER newest AS last_state, first_value(due) OVER newest AS last_due
    FROM tries t
    WHERE state IN ('ran', 'failed') OR kind = 'calendar'
    WINDOW newest AS (PARTITION BY cadence, step ORDER BY due DESC, window_id DESC)
),
ended AS (
    SELECT cadence, max(due) AS due
    FROM upkeep.windows w
    WHERE w.target = %(target)s AND w.due > %(after)s AND w.kind = 'calendar'
      AND (w.deadline <= %(now)s OR EXISTS (SELECT FROM upkeep.reports r WHERE r.window_id = w.id))
    GROUP BY cadence
)
SELECT DISTINCT ON (l.cadence, l.step, f.guide)
       l.cadence, l.step, f.guide, f.level, f.key, l.due, l.dag_id, l.run_id,
       EXISTS (SELECT FROM upkeep.reports r WHERE r.window_id = l.window_id) AS reported,
       CASE WHEN l.step = 'report' THEN NULL  -- it is written down only where the report itself has found something
            WHEN l.last_due < e.due THEN e.due
            WHEN l.last_state <> 'ran' AND l.due < l.last_due THEN l.last_due END AS unseen
FROM looks l
JOIN upkeep.findings f ON f.step_id = l.id
LEFT JOIN ended e ON e.cadence = l.cadence
WHERE l.state IN ('ran', 'failed') AND l.place <= %(looks)s
ORDER BY l.cadence, l.step, f.guide, l.place,
         array_position(ARRAY['critical', 'unknown', 'warning', 'advisory', 'ok'], f.level), f.position
