-- How a target's windows of the calendar ended, by cadence.
SELECT cadence, state, count(*) AS windows, min(due) AS first, max(due) AS last
FROM upkeep.due_windows
WHERE target = %(target)s
GROUP BY cadence, state
