-- The snapshot that a step of this name left last, in any group and window (G53: since when indexes are known).
SELECT w.due, n.body
FROM upkeep.steps s
JOIN upkeep.windows w ON w.id = s.window_id
JOIN upkeep.snapshots n ON n.step_id = s.id
WHERE w.target = %(target)s AND split_part(s.step, '.', -1) = %(name)s AND s.state = 'ran'
ORDER BY s.id DESC
LIMIT 1
