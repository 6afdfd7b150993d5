-- The newest snapshot of a step from a window that was due before this one: what is compared with.
SELECT w.due, n.body
FROM upkeep.windows w
JOIN upkeep.steps s ON s.window_id = w.id
JOIN upkeep.snapshots n ON n.step_id = s.id
WHERE w.target = %(target)s AND w.due < %(due)s AND s.step = %(step)s AND s.state = 'ran'
ORDER BY w.due DESC, s.id DESC
LIMIT 1
