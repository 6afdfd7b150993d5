-- The index that has a name now: a rebuild gives the name to a new one, so that its OID tells whether there was one.
-- leftovers are invalid indexes of its table in its likeness under the names that REINDEX CONCURRENTLY gives; busy ones
-- are being built or dropped just now, each by its own lock: another index that is being built on the table makes none
-- busy, or a copy of ours would be told of as nothing. planned_name is what the planned one is called while it is there and
-- valid, siblings are all indexes of its table. Nothing here waits for a lock; the size would, so it is left out while
-- somebody has or wants ACCESS EXCLUSIVE. wal_position is the whole server's, in bytes.
WITH locked AS (
    SELECT l.relation, l.mode
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode IN ('AccessExclusiveLock', 'ShareUpdateExclusiveLock')
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT n.nspname AS schema, i.relname AS "index", t.relname AS "table", i.oid::bigint AS oid,
       (SELECT format('%%s.%%s', m.nspname, p.relname)
        FROM pg_index y
        JOIN pg_class p ON p.oid = y.indexrelid
        JOIN pg_namespace m ON m.oid = p.relnamespace
        WHERE y.indexrelid = %(oid)s::bigint::oid AND y.indisvalid) AS planned_name,
       (SELECT jsonb_agg(y.indexrelid::bigint) FROM pg_index y WHERE y.indrelid = x.indrelid) AS siblings,
       x.indisvalid AND x.indisready AS valid,
       i.relkind = 'i' AND i.relpersistence <> 't' AND NOT x.indisexclusion AS rebuildable,
       CASE WHEN NOT EXISTS (SELECT FROM locked l WHERE l.mode = 'AccessExclusiveLock' AND l.relation = i.oid)
            THEN pg_relation_size(i.oid) END AS bytes,
       pg_database_size(current_database()) AS database_bytes,
       (SELECT coalesce(jsonb_agg(jsonb_build_object(
                   'oid', j.oid::bigint, 'schema', n.nspname, 'index', j.relname,
                   'busy', EXISTS (SELECT FROM locked l
                                   WHERE l.relation = j.oid AND l.mode = 'ShareUpdateExclusiveLock')
                           OR EXISTS (SELECT FROM pg_stat_progress_create_index p
                                      WHERE p.datname = current_database() AND p.index_relid = j.oid)
               ) ORDER BY j.oid), '[]')
        FROM pg_index y
        JOIN pg_class j ON j.oid = y.indexrelid
        WHERE y.indrelid = x.indrelid AND NOT y.indisvalid AND j.relkind = 'i' AND j.relam = i.relam
          AND j.relname ~ '_cc(new|old)[0-9]*$'
          AND starts_with(i.relname, regexp_replace(j.relname, '_cc(new|old)[0-9]*$', ''))
          AND y.indkey::text = x.indkey::text AND y.indclass::text = x.indclass::text
          AND y.indcollation::text = x.indcollation::text AND y.indoption::text = x.indoption::text
          AND y.indisunique = x.indisunique
          AND regexp_replace(y.indexprs::text, ':location -?[0-9]+', '', 'g')
              IS NOT DISTINCT FROM regexp_replace(x.indexprs::text, ':location -?[0-9]+', '', 'g')
          AND regexp_replace(y.indpred::text, ':location -?[0-9]+', '', 'g')
              IS NOT DISTINCT FROM regexp_replace(x.indpred::text, ':location -?[0-9]+', '', 'g')
          AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = j.oid)) AS leftovers,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
FROM pg_class i
JOIN pg_namespace n ON n.oid = i.relnamespace
JOIN pg_index x ON x.indexrelid = i.oid
JOIN pg_class t ON t.oid = x.indrelid
WHERE n.nspname = %(schema)s AND i.relname = %(index)s
