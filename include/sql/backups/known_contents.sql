-- G101: what daily windows saw in the target's logs and at which position of its WAL, the newest first.
SELECT n.body
FROM upkeep.steps s
JOIN upkeep.windows w ON w.id = s.window_id
JOIN upkeep.snapshots n ON n.step_id = s.id
WHERE w.target = %(target)s AND split_part(s.step, '.', -1) = 'contents' AND s.state = 'ran'
ORDER BY s.id DESC
LIMIT 60
