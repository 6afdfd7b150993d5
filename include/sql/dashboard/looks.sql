-- The newest looks of one name that a target's windows of a cadence have taken, the newest first: when, in which run, and of the
-- newest what it kept as a whole.
WITH recent AS (
    SELECT w.id, w.due, w.dag_id, w.run_id
    FROM upkeep.windows w
    WHERE w.target = %(target)s AND w.cadence = %(cadence)s
    ORDER BY w.due DESC, w.id DESC
    LIMIT %(windows)s
),
looks AS (
    SELECT DISTINCT ON (r.id) s.id, r.id AS window_id, r.due, r.dag_id, r.run_id, s.started_at, s.source
    FROM recent r
    JOIN upkeep.steps s ON s.window_id = r.id
    WHERE s.state = 'ran' AND split_part(s.step, '.', -1) = %(name)s
      AND EXISTS (SELECT FROM upkeep.samples m WHERE m.step_id = s.id)  -- it saw something
    ORDER BY r.id, s.id DESC
),
numbered AS (
    SELECT l.*, row_number() OVER (ORDER BY l.due DESC, l.id DESC) AS number FROM looks l
)
SELECT n.id, n.due, n.dag_id, n.run_id, n.started_at, n.source,
       EXISTS (SELECT FROM upkeep.reports r WHERE r.window_id = n.window_id) AS reported,
       (SELECT b.body FROM upkeep.snapshots b WHERE n.number = 1 AND b.step_id = n.id) AS body
FROM numbered n
ORDER BY n.number
