-- Whether this server is a standby (or is being restored), and of when the newest transaction is that it has replayed.
SELECT pg_is_in_recovery() AS in_recovery,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS behind_seconds
