-- What each step of a target saw when it last looked. A window counts from its report on, also while it is carried out
-- again; a step that none of its cadence's last three windows knows is gone, and so is what it saw. Each step is looked for from
-- the newest window back: sorted as a whole, the steps of a hundred days would be read for the last ones.
WITH reported AS MATERIALIZED (
    SELECT w.id, w.cadence, dense_rank() OVER (PARTITION BY w.cadence ORDER BY w.due DESC, w.id DESC) AS back
    FROM upkeep.windows w
    WHERE w.target = %(target)s AND w.due > %(after)s
          AND EXISTS (SELECT FROM upkeep.reports r WHERE r.window_id = w.id)
),
known AS (
    SELECT DISTINCT n.cadence, s.step
    FROM reported n
    JOIN upkeep.steps s ON s.window_id = n.id
    WHERE n.back <= 3
),
latest AS (
    SELECT k.cadence, k.step, l.*
    FROM known k
    CROSS JOIN LATERAL (
        SELECT s.id, s.source, s.started_at, w.due, w.dag_id, w.run_id
        FROM upkeep.windows w
        JOIN upkeep.steps s ON s.window_id = w.id AND s.step = k.step AND s.state IN ('ran', 'failed')
        WHERE w.target = %(target)s AND w.cadence = k.cadence AND w.due > %(after)s
              AND EXISTS (SELECT FROM upkeep.reports r WHERE r.window_id = w.id)
        ORDER BY w.due DESC, w.id DESC, s.id DESC
        LIMIT 1
    ) l
)
SELECT l.step, l.source, l.started_at, l.cadence, l.due, l.dag_id, l.run_id,
       f.key, f.level, f.subject, f.detail, f.expected, f.remedy, f.guide, f.metadata
FROM latest l
LEFT JOIN upkeep.findings f ON f.step_id = l.id
ORDER BY l.cadence, l.step, f.position
