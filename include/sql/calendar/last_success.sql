-- The last window of each target and cadence that was carried out, in time or late; when it was due, so that an old one
-- that is made up for hides no newer one.
SELECT target, cadence, max(due) AS due
FROM upkeep.due_windows
WHERE target = ANY (%(targets)s) AND state IN ('done', 'late')
GROUP BY target, cadence
