-- One index as it is now: whether it is still the planned one, used, or needed (a constraint, a replica's identity or a
-- partitioned index rests on it), and how many others do the same. Nothing here waits for a lock: definitions would, and
-- sizes, so the catalogue's are taken while somebody has or wants ACCESS EXCLUSIVE. wal_position is the whole server's.
SELECT i.oid::bigint AS oid, n.nspname AS schema, i.relname AS "index", t.relname AS "table",
       x.indisvalid AS valid,
       s.idx_scan AS scans,
       x.indisprimary OR x.indisexclusion OR x.indisreplident OR x.indisclustered OR i.relispartition
       OR EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid) AS needed,
       (SELECT count(*)::int
        FROM pg_index y
        JOIN pg_class j ON j.oid = y.indexrelid
        WHERE y.indrelid = x.indrelid AND y.indexrelid <> x.indexrelid AND y.indisvalid AND y.indisready
          AND j.relam = i.relam AND y.indnkeyatts = x.indnkeyatts
          AND y.indkey::text = x.indkey::text AND y.indclass::text = x.indclass::text
          AND y.indcollation::text = x.indcollation::text AND y.indoption::text = x.indoption::text
          AND regexp_replace(y.indexprs::text, ':location -?[0-9]+', '', 'g')
              IS NOT DISTINCT FROM regexp_replace(x.indexprs::text, ':location -?[0-9]+', '', 'g')
          AND regexp_replace(y.indpred::text, ':location -?[0-9]+', '', 'g')
              IS NOT DISTINCT FROM regexp_replace(x.indpred::text, ':location -?[0-9]+', '', 'g')
          AND (NOT x.indisunique OR (y.indisunique AND y.indimmediate
               AND to_jsonb(y) ->> 'indnullsnotdistinct' IS NOT DISTINCT FROM to_jsonb(x) ->> 'indnullsnotdistinct'))
       ) AS twins,
       CASE WHEN NOT EXISTS (
           SELECT FROM pg_locks l
           WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' AND l.relation = i.oid
             AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
       ) THEN pg_relation_size(i.oid)
            ELSE i.relpages::bigint * current_setting('block_size')::int END AS bytes,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.oid
WHERE x.indexrelid = %(oid)s::bigint::oid
