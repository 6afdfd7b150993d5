-- G15: how many sessions wait for a lock on a partition that ours holds: one that also holds what a drop waits for could be
-- ended by the server as the victim of a deadlock.
SELECT count(*) AS waiters FROM pg_locks l WHERE l.relation = %(oid)s AND NOT l.granted
  AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
