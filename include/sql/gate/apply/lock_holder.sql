-- Who holds the maintenance lock of this database.
SELECT a.pid, a.application_name, a.usename AS "role", a.state_change
FROM pg_locks l
LEFT JOIN pg_stat_activity a ON a.pid = l.pid
WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
  AND (l.classid::bigint << 32) + l.objid::bigint = %(key)s
