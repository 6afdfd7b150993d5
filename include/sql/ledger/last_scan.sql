-- G6: when the last weekly window was due whose security scan (a step of the group patches) ran to its end.
SELECT w.due
FROM upkeep.windows w
WHERE w.target = %(target)s AND w.cadence = 'weekly'
  AND EXISTS (SELECT FROM upkeep.steps s WHERE s.window_id = w.id AND s.step LIKE 'patches.%%' AND s.state = 'ran')
ORDER BY w.due DESC
LIMIT 1
