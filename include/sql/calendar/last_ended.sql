-- The last window of each target and cadence that has come to its end.
SELECT DISTINCT ON (target, cadence) target, cadence, due, state
FROM upkeep.due_windows
WHERE state IN ('done', 'late', 'waived', 'frozen')
ORDER BY target, cadence, due DESC
