-- Since when findings have not been ok: the first look of each unbroken row of looks by the same step.
WITH looks AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.step, w.cadence, w.due, s.started_at
    FROM upkeep.steps s
    JOIN upkeep.windows w ON w.id = s.window_id
    WHERE w.target = %(target)s AND w.due > %(after)s AND s.state IN ('ran', 'failed')
    ORDER BY s.window_id, s.step, s.id DESC
),
bad AS (
    SELECT f.key, l.step, l.cadence, l.due, l.started_at
    FROM upkeep.findings f
    JOIN looks l ON l.id = f.step_id
    WHERE f.level <> 'ok' AND f.key = ANY (%(keys)s)
)
SELECT b.key, min(b.started_at) AS since
FROM bad b
WHERE NOT EXISTS (
    SELECT FROM looks l
    WHERE l.step = b.step AND l.cadence = b.cadence AND l.due > b.due
          AND NOT EXISTS (SELECT FROM bad o WHERE o.key = b.key AND o.step = l.step AND o.cadence = l.cadence AND o.due = l.due)
)
GROUP BY b.key
