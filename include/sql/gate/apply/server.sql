-- Which server and database this is, and whether anything can be changed here.
SELECT (SELECT system_identifier::text FROM pg_control_system()) AS system_identifier,
       current_database()::text AS database,
       pg_is_in_recovery() AS in_recovery,
       a.pid, a.backend_start
FROM pg_stat_activity a
WHERE a.pid = pg_backend_pid()
