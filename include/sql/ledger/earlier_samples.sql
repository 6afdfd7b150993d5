-- The newest sample of each metric taken before a moment: the other end of a growth rate (G49).
SELECT DISTINCT ON (m.metric, m.subject) m.metric, m.subject, m.value, m.taken_at
FROM upkeep.samples m
JOIN upkeep.steps s ON s.id = m.step_id
JOIN upkeep.windows w ON w.id = s.window_id
WHERE w.target = %(target)s AND s.step = %(step)s AND m.taken_at <= %(before)s
ORDER BY m.metric, m.subject, m.taken_at DESC
