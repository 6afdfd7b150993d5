-- Whether a target's windows have ever measured something, and in which unit they did last; the addresses that a check
-- remembers (G70) are nobody's trend.
SELECT m.unit
FROM upkeep.samples m
JOIN upkeep.steps s ON s.id = m.step_id
JOIN upkeep.windows w ON w.id = s.window_id
WHERE m.metric = %(metric)s AND m.subject = %(subject)s AND w.target = %(target)s
  AND m.metric !~ '^(last seen|read until) in '
ORDER BY m.taken_at DESC
LIMIT 1
