-- The windows whose end is not known yet, and those that were missed and may still be carried out or waived.
SELECT target, cadence, due, deadline, state, reason
FROM upkeep.due_windows
WHERE state IN ('due', 'open', 'missed')
ORDER BY target, cadence, due
