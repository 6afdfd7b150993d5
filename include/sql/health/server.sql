-- Whether this server is a standby (or is being restored), how old what it has replayed is, and its clock: all that
-- the other checks say is of this server, by its own time.
SELECT pg_is_in_recovery() AS in_recovery,
       extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp())::float8 AS behind_seconds,
       clock_timestamp() AS at
