-- G101: which cluster and database this is, and how far its WAL has been written: what was committed up to here is in a
-- copy that is rolled forward to here.
SELECT pg_current_wal_insert_lsn()::text AS lsn,
       now() AS moment,
       current_database()::text AS database,
       (SELECT system_identifier FROM pg_control_system())::text AS system_identifier
