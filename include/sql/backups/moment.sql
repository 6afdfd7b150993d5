-- G101: which cluster and database this is, and how far its WAL has been written: what was committed up to here is in a
-- copy that is rolled forward to here. A standby has come as far as it has replayed.
SELECT CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END::text AS lsn,
       now() AS moment,
       current_database()::text AS database,
       (SELECT system_identifier FROM pg_control_system())::text AS system_identifier
