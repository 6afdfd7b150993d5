-- From when on the windows of a target and cadence count.
SELECT since
FROM upkeep.calendars
WHERE target = %(target)s AND cadence = %(cadence)s
