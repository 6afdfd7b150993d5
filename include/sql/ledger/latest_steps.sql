-- What each step of a window last did, for the report.
SELECT DISTINCT ON (s.step) s.id, s.step, s.state, s.reason, s.source, s.digest, s.started_at, s.ended_at, s.try_number
FROM upkeep.steps s
WHERE s.window_id = %(window_id)s
ORDER BY s.step, s.id DESC
