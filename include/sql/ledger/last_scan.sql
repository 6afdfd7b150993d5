-- G6: the last weekly window whose npm audit answered, and that step; one that could not run leaves an unknown finding.
SELECT w.due, s.id AS step_id
FROM upkeep.windows w
JOIN upkeep.steps s ON s.window_id = w.id
WHERE w.target = %(target)s AND w.cadence = 'weekly'
  AND s.step = 'evidence.patches.npm_audit' AND s.state = 'ran'
  AND NOT EXISTS (SELECT FROM upkeep.findings f WHERE f.step_id = s.id AND f.level = 'unknown')
ORDER BY w.due DESC, s.id DESC
LIMIT 1
