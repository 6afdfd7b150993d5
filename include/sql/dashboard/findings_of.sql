-- What is not ok under some keys by the newest look of that name: the newest finding of each key, unless a look of the same name
-- has come since without it. One that could not see all (a finding of it is unknown) does not say that it is gone; IS FALSE keeps
-- the planner from asking that of every look.
SELECT f.key, f.level, f.subject, f.dag_id, f.run_id
FROM unnest(%(keys)s::text[]) AS k (key)
CROSS JOIN LATERAL (
    SELECT f.key, f.level, f.subject, s.id AS step_id, s.step, w.due, w.dag_id, w.run_id
    FROM upkeep.findings f
    JOIN upkeep.steps s ON s.id = f.step_id
    JOIN upkeep.windows w ON w.id = s.window_id
    WHERE f.level <> 'ok' AND f.key = k.key AND w.target = %(target)s AND s.state = 'ran'
    ORDER BY f.step_id DESC
    LIMIT 1
) f
WHERE f.due > %(after)s
  AND NOT EXISTS (
      SELECT
      FROM upkeep.windows w
      JOIN upkeep.steps s ON s.window_id = w.id
      WHERE w.target = %(target)s AND w.due > %(after)s AND w.due >= f.due AND s.id > f.step_id AND s.state = 'ran'
        AND split_part(s.step, '.', -1) = split_part(f.step, '.', -1)
        AND EXISTS (
            SELECT FROM upkeep.findings u WHERE u.step_id = s.id AND u.level = 'unknown' AND u.key <> f.key
        ) IS FALSE
  )
ORDER BY f.key
