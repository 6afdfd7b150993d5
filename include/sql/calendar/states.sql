-- How all windows of the calendar stand, by target and cadence.
SELECT target, cadence, state, count(*) AS windows
FROM upkeep.due_windows
WHERE target = ANY (%(targets)s)
GROUP BY target, cadence, state
