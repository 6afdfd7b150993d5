-- Since when findings have not been ok: the first look of each unbroken row of looks by the same step. Looks are numbered from the
-- newest, and so are those that were not ok: as long as both numbers are the same, the row is unbroken. Findings are looked for
-- from the first look's step on: without that the index is read for all years of a key, and of all targets.
WITH looks AS MATERIALIZED (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.step, w.cadence, w.due, s.started_at
    FROM upkeep.steps s
    JOIN upkeep.windows w ON w.id = s.window_id
    WHERE w.target = %(target)s AND w.due > %(after)s AND s.state IN ('ran', 'failed')
    ORDER BY s.window_id, s.step, s.id DESC
),
numbered AS (
    SELECT l.*, dense_rank() OVER (PARTITION BY l.step, l.cadence ORDER BY l.due DESC) AS number FROM looks l
),
bad AS (
    SELECT f.key, l.started_at, l.number,
           dense_rank() OVER (PARTITION BY f.key, l.step, l.cadence ORDER BY l.due DESC) AS bad_number
    FROM upkeep.findings f
    JOIN numbered l ON l.id = f.step_id
    WHERE f.level <> 'ok' AND f.key = ANY (%(keys)s)
      AND f.step_id >= (SELECT min(id) FROM looks)
)
SELECT b.key, min(b.started_at) AS since
FROM bad b
WHERE b.number = b.bad_number
GROUP BY b.key
