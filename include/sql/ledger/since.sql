-- Since when each finding has not been ok: the first look after the last window whose same step ran without it.
WITH bad AS (
    SELECT f.key, s.step, w.due, s.started_at
    FROM upkeep.findings f
    JOIN upkeep.steps s ON s.id = f.step_id
    JOIN upkeep.windows w ON w.id = s.window_id
    WHERE w.target = %(target)s AND f.key = ANY (%(keys)s) AND f.level <> 'ok' AND w.due <= %(due)s
),
clear AS (
    SELECT b.key, max(w.due) AS due
    FROM (SELECT DISTINCT key, step FROM bad) b
    JOIN upkeep.steps s ON s.step = b.step AND s.state = 'ran'
    JOIN upkeep.windows w ON w.id = s.window_id AND w.target = %(target)s AND w.due < %(due)s
    WHERE NOT EXISTS (SELECT FROM bad WHERE bad.key = b.key AND bad.due = w.due)
    GROUP BY b.key
)
SELECT bad.key, min(bad.started_at) AS since
FROM bad
LEFT JOIN clear ON clear.key = bad.key
WHERE bad.due > coalesce(clear.due, '-infinity')
GROUP BY bad.key
