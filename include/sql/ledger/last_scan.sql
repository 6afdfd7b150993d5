-- G6: when the last weekly window was due whose npm audit answered; one that could not run leaves an unknown finding.
SELECT w.due
FROM upkeep.windows w
WHERE w.target = %(target)s AND w.cadence = 'weekly'
  AND EXISTS (
    SELECT FROM upkeep.steps s
    WHERE s.window_id = w.id AND s.step = 'evidence.patches.npm_audit' AND s.state = 'ran'
      AND NOT EXISTS (SELECT FROM upkeep.findings f WHERE f.step_id = s.id AND f.level = 'unknown')
  )
ORDER BY w.due DESC
LIMIT 1
