-- G18: one metric's samples over all windows of a target, oldest first: the history that a forecast is made from.
SELECT m.taken_at, m.value
FROM upkeep.samples m
JOIN upkeep.steps s ON s.id = m.step_id
JOIN upkeep.windows w ON w.id = s.window_id
WHERE w.target = %(target)s AND s.state = 'ran' AND m.metric = %(metric)s AND m.subject = ''
  AND m.taken_at > %(since)s AND m.taken_at <= %(before)s
ORDER BY m.taken_at, m.id
