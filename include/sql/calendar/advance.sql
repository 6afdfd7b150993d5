-- The calendar has been looked through up to here; a clock that went back takes nothing back.
UPDATE upkeep.calendars
SET since = least(since, %(since)s), until = greatest(until, %(until)s), removed_at = %(removed_at)s
WHERE target = %(target)s AND cadence = %(cadence)s
