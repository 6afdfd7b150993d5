-- G6: when the last window of a cadence that came to its end was due.
SELECT w.due
FROM upkeep.windows w
WHERE w.target = %(target)s AND w.cadence = %(cadence)s AND w.closed_at IS NOT NULL
ORDER BY w.due DESC
LIMIT 1
