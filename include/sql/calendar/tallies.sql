-- How a target's windows of the calendar ended, by cadence.
SELECT cadence, state, count(*) AS windows
FROM upkeep.due_windows
WHERE target = %(target)s
GROUP BY cadence, state
