-- G102: how far a restored copy has been rolled forward, and whether it waits there.
SELECT pg_is_in_recovery() AS in_recovery,
       CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END AS paused,
       pg_last_wal_replay_lsn()::text AS lsn,
       pg_last_xact_replay_timestamp() AS last_commit,
       now() AS moment,
       current_setting('data_directory') AS data_directory,
       inet_server_addr()::text AS address,
       (SELECT system_identifier FROM pg_control_system())::text AS system_identifier
