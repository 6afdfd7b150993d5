-- One judge at a time: two would tell the same twice. Held to the end of the transaction.
SELECT pg_advisory_xact_lock(hashtext('upkeep.alerts'))
