-- One reconciler at a time: two would judge one window twice. Held to the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('upkeep.calendars'))
