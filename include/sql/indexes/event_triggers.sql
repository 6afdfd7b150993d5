-- What would run as superuser when an index is built: event triggers, which servers before 17 cannot be told to leave.
SELECT e.evtname AS name FROM pg_catalog.pg_event_trigger e WHERE e.evtenabled <> 'D' ORDER BY 1
