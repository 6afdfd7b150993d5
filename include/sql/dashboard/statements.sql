-- G84: what some looks have said of slow statements, the oldest look first.
SELECT f.step_id, w.due, f.key, f.detail, f.metadata
FROM upkeep.findings f
JOIN upkeep.steps s ON s.id = f.step_id
JOIN upkeep.windows w ON w.id = s.window_id
WHERE f.step_id = ANY (%(steps)s) AND f.key LIKE 'slow\_queries:%%' AND f.metadata ? 'id'
ORDER BY w.due, f.step_id, f.position
