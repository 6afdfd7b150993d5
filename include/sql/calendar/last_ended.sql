-- The last window of each target and cadence that has come to its end.
SELECT target, cadence, max(due) AS due
FROM upkeep.due_windows
WHERE state IN ('done', 'late', 'waived', 'frozen')
GROUP BY target, cadence
