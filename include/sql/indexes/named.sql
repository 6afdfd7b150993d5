-- What has a planned index's name, whatever became of the foreign key (rule 9): on which table, of which columns, whether it
-- is valid and plain, and busy while somebody builds or drops it. wal_position is the whole server's, none of a standby.
SELECT i.oid::bigint AS oid, n.nspname::text AS schema, x.indrelid::bigint AS table_oid, x.indkey::text AS keys,
       coalesce(x.indisvalid AND x.indisready, false) AS valid,
       x.indpred IS NULL AND x.indexprs IS NULL AND NOT x.indisunique AS plain,
       EXISTS (SELECT FROM pg_locks l
               WHERE l.locktype = 'relation' AND l.mode = 'ShareUpdateExclusiveLock' AND l.relation = i.oid
                 AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database()))
       OR EXISTS (SELECT FROM pg_stat_progress_create_index p
                  WHERE p.datname = current_database() AND p.index_relid = i.oid) AS busy,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint END AS wal_position
FROM pg_class i
JOIN pg_namespace n ON n.oid = i.relnamespace
LEFT JOIN pg_index x ON x.indexrelid = i.oid
WHERE i.relname = %(index)s AND n.nspname = ANY (%(schemas)s::text[])
ORDER BY i.oid
