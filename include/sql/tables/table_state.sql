-- One table as it is now: whether it is still the planned one, and what VACUUM and ANALYZE have done to it.
-- wal_position is the whole server's, in bytes since its beginning; named_oid is what has the planned name. Nothing here
-- waits for a lock; sizes would: while somebody has or wants ACCESS EXCLUSIVE the whole one is left out, and the table's
-- own is what the catalogue noted.
WITH locked AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT n.nspname AS schema, c.relname AS "table",
       (SELECT o.oid::bigint
        FROM pg_class o
        JOIN pg_namespace m ON m.oid = o.relnamespace
        WHERE m.nspname = %(schema)s AND o.relname = %(table)s) AS named_oid,
       (SELECT md5(string_agg(format('%%s %%s %%s', a.attnum, a.attname, a.atttypid), ',' ORDER BY a.attnum))
        FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped) AS shape,
       s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows, s.n_mod_since_analyze AS changed_rows,
       s.n_tup_upd AS updates, s.n_tup_hot_upd AS hot_updates, s.n_tup_del AS deletes,
       CASE WHEN NOT k.locked THEN pg_total_relation_size(c.oid) END AS total_bytes,
       CASE WHEN NOT k.locked THEN pg_table_size(c.oid)
            ELSE c.relpages::bigint * current_setting('block_size')::int END AS table_bytes,
       s.last_vacuum, s.last_analyze, s.vacuum_count, s.analyze_count,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_stat_all_tables s ON s.relid = c.oid
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM locked l
                   WHERE l.relation IN (c.oid, c.reltoastrelid)
                      OR l.relation IN (SELECT x.indexrelid FROM pg_index x
                                        WHERE x.indrelid IN (c.oid, c.reltoastrelid))) AS locked
) k
WHERE c.oid = %(oid)s::bigint::oid
