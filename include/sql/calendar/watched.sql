-- Every calendar that was ever looked through, and when its target was found to be gone from config.
SELECT target, cadence, since, until, removed_at
FROM upkeep.calendars
ORDER BY target, cadence
