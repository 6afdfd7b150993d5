-- What each step of a target saw when it last looked. A window counts from its report on, also while it is carried out
-- again; a step that none of its cadence's last three windows knows is gone, and so is what it saw.
WITH reported AS (
    SELECT w.id, w.cadence, w.due, w.dag_id, w.run_id,
           dense_rank() OVER (PARTITION BY w.cadence ORDER BY w.due DESC, w.id DESC) AS back
    FROM upkeep.windows w
    WHERE w.target = %(target)s AND w.due > %(after)s
          AND EXISTS (SELECT FROM upkeep.reports r WHERE r.window_id = w.id)
),
latest AS (
    SELECT DISTINCT ON (r.cadence, s.step)
           s.id, s.step, s.source, s.started_at, r.cadence, r.due, r.dag_id, r.run_id
    FROM reported r
    JOIN upkeep.steps s ON s.window_id = r.id AND s.state IN ('ran', 'failed')
    WHERE EXISTS (
        SELECT FROM reported n JOIN upkeep.steps t ON t.window_id = n.id
        WHERE n.back <= 3 AND n.cadence = r.cadence AND t.step = s.step
    )
    ORDER BY r.cadence, s.step, r.due DESC, r.id DESC, s.id DESC
)
SELECT l.step, l.source, l.started_at, l.cadence, l.due, l.dag_id, l.run_id,
       f.key, f.level, f.subject, f.detail, f.expected, f.remedy, f.guide, f.metadata
FROM latest l
LEFT JOIN upkeep.findings f ON f.step_id = l.id
ORDER BY l.cadence, l.step, f.position
