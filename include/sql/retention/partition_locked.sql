-- G15: whether this session holds the lock on the partition itself, by its OID: LOCK TABLE goes by a name, and names can swap.
SELECT EXISTS (SELECT FROM pg_locks l
               WHERE l.locktype = 'relation' AND l.pid = pg_backend_pid() AND l.relation = %(oid)s
                 AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
                 AND l.mode = 'ExclusiveLock' AND l.granted) AS locked
