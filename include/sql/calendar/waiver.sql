-- By whom, and why, a window was waived.
SELECT reason
FROM upkeep.due_windows
WHERE target = %(target)s AND cadence = %(cadence)s AND due = %(due)s AND state = 'waived'
