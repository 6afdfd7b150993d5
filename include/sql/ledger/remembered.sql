-- What a step's looks at earlier periods measured, of each subject the greatest value (G70: when it was last seen). A
-- period that overlaps this window's is left out, also when the window itself is carried out again.
SELECT m.metric, m.subject, max(m.value) AS value
FROM upkeep.windows w
JOIN upkeep.steps s ON s.window_id = w.id
JOIN upkeep.samples m ON m.step_id = s.id
WHERE w.target = %(target)s AND s.step = %(step)s AND s.state = 'ran'
  AND w.period_end > %(since)s AND w.period_end <= %(start)s
GROUP BY m.metric, m.subject
