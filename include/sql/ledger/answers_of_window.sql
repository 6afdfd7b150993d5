-- The answers that a window has of one action of a function, newest first: one action may be called twice.
SELECT a.body
FROM upkeep.steps s
JOIN upkeep.answers a ON a.step_id = s.id
WHERE s.window_id = %(window_id)s AND s.state = 'ran' AND a.function = %(function)s AND a.action = %(action)s
ORDER BY s.id DESC
