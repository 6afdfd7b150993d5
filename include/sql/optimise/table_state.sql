-- One table as it is now: whether it is still the planned one, and what VACUUM and ANALYZE have done to it.
-- wal_position is the whole server's, in bytes since its beginning. Nothing here waits for a lock; the size would, so
-- it is left out while somebody has or wants ACCESS EXCLUSIVE.
SELECT n.nspname AS schema, c.relname AS "table",
       (SELECT md5(string_agg(format('%%s %%s %%s', a.attnum, a.attname, a.atttypid), ',' ORDER BY a.attnum))
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS shape,
       s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows, s.n_mod_since_analyze AS changed_rows,
       s.n_tup_upd AS updates, s.n_tup_hot_upd AS hot_updates, s.n_tup_del AS deletes,
       CASE WHEN NOT EXISTS (
           SELECT FROM pg_locks l
           WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
             AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
             AND (l.relation IN (c.oid, c.reltoastrelid)
                  OR l.relation IN (SELECT x.indexrelid FROM pg_index x WHERE x.indrelid IN (c.oid, c.reltoastrelid)))
       ) THEN pg_total_relation_size(c.oid) END AS total_bytes,
       s.last_vacuum, s.last_analyze, s.vacuum_count, s.analyze_count,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_stat_all_tables s ON s.relid = c.oid
WHERE c.oid = %(oid)s::bigint::oid
