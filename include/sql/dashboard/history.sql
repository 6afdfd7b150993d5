-- What each look of some findings' steps came to, within some time: the worst level of a key, ok where it was not seen.
-- Of each window the last try of a step counts. The search for findings begins at the first look, as in alerts/since.
WITH looks AS MATERIALIZED (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.step, w.cadence, w.due
    FROM upkeep.steps s
    JOIN upkeep.windows w ON w.id = s.window_id
    WHERE w.target = %(target)s AND w.due > %(after)s AND s.state IN ('ran', 'failed')
    ORDER BY s.window_id, s.step, s.id DESC
),
bad AS (
    SELECT f.key, f.level, l.id, l.step, l.cadence
    FROM upkeep.findings f
    JOIN looks l ON l.id = f.step_id
    WHERE f.level <> 'ok' AND f.key = ANY (%(keys)s)
      AND f.step_id >= (SELECT min(id) FROM looks)
)
SELECT a.key, l.cadence, l.due, coalesce(b.level, 'ok') AS level
FROM (SELECT DISTINCT key, step, cadence FROM bad) a
JOIN looks l USING (step, cadence)
LEFT JOIN bad b ON b.id = l.id AND b.key = a.key
ORDER BY a.key, l.cadence, l.due
