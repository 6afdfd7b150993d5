-- One run of a target at a time looks whether another one asks, and draws up what it asks: held to the transaction's end.
SELECT pg_advisory_xact_lock(hashtext('upkeep.plans ' || %(target)s))
