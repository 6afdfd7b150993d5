-- Steps that the newest report of each cadence calls failed though they wrote nothing: their process was ended.
WITH newest AS (
    SELECT DISTINCT ON (w.cadence) w.id, w.cadence, w.due, r.dag_id, r.run_id, r.made_at, r.body
    FROM upkeep.reports r
    JOIN upkeep.windows w ON w.id = r.window_id
    WHERE w.target = %(target)s AND w.due > %(after)s
    ORDER BY w.cadence, w.due DESC, r.id DESC
)
SELECT n.cadence, n.due, n.dag_id, n.run_id, n.made_at, s.step->>'step' AS step, s.step->>'title' AS title,
       s.step->>'reason' AS reason, s.step->>'source' AS source
FROM newest n, jsonb_array_elements(n.body::jsonb->'steps') AS s (step)
WHERE s.step->>'state' = 'failed'
      AND NOT EXISTS (SELECT FROM upkeep.steps t WHERE t.window_id = n.id AND t.step = s.step->>'step')
ORDER BY n.cadence, step
