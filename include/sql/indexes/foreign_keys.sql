-- Foreign keys as an index for each is planned by them and looked at again: what they are (shape), the operators and the
-- types by which the server looks their columns up, whether an index begins with the columns by now (covered, in
-- missing_indexes.sql's words), and how often rows of the referenced table, its partitions among it, were deleted or got a
-- new version that may have another key (a HOT update has not): each asks by the key. Nothing here waits for a lock: sizes
-- are the catalogue's while somebody has or wants ACCESS EXCLUSIVE. wal_position is the whole server's, none of a standby.
WITH locked AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, t.relname::text AS "table", t.oid::bigint AS table_oid,
       c.conname::text AS "constraint", k.columns, k.column_types, k.operators, k.types,
       array_to_string(c.conkey, ' ') AS keys, asking.deletes, asking.updates,
       md5(jsonb_build_array(t.oid::bigint, n.nspname, t.relname, c.conname, c.conkey, c.confrelid::bigint, c.conpfeqop::text,
                             k.columns, k.column_types, k.types)::text) AS shape,
       t.relkind = 'r' AND t.relpersistence = 'p' AND NOT coalesce((to_jsonb(c) ->> 'conperiod')::boolean, false) AS plain,
       EXISTS (
           SELECT FROM pg_index x
           CROSS JOIN LATERAL (
               SELECT (string_to_array(x.indkey::text, ' ')::int2[])[1:cardinality(c.conkey)] AS first,
                      substring(x.indpred::text FROM '^[{]NULLTEST .*:varattno (\d+) .*:nulltesttype 1 ')::int2 AS not_null
           ) f
           WHERE x.indrelid = c.conrelid AND x.indisvalid AND (x.indpred IS NULL OR f.not_null = ANY (c.conkey))
             AND x.indnkeyatts >= cardinality(c.conkey) AND f.first @> c.conkey AND f.first <@ c.conkey) AS covered,
       CASE WHEN EXISTS (SELECT FROM locked l WHERE l.relation = t.oid)
            THEN t.relpages::bigint * current_setting('block_size')::int ELSE pg_relation_size(t.oid) END AS table_bytes,
       pg_database_size(current_database()) AS database_bytes,
       CASE WHEN NOT pg_is_in_recovery() THEN pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint END AS wal_position
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
CROSS JOIN LATERAL (
    SELECT array_agg(here.attname::text ORDER BY u.place) AS columns,
           array_agg(format_type(here.atttypid, here.atttypmod) ORDER BY u.place) AS column_types,
           array_agg(format('OPERATOR(%%I.%%s)', s.nspname, o.oprname) ORDER BY u.place) AS operators,
           array_agg(format_type(there.atttypid, there.atttypmod) ORDER BY u.place) AS types
    FROM unnest(c.conkey, c.confkey, c.conpfeqop) WITH ORDINALITY AS u (here, there, operator, place)
    JOIN pg_attribute here ON here.attrelid = c.conrelid AND here.attnum = u.here
    JOIN pg_attribute there ON there.attrelid = c.confrelid AND there.attnum = u.there
    JOIN pg_operator o ON o.oid = u.operator
    JOIN pg_namespace s ON s.oid = o.oprnamespace
) k
CROSS JOIN LATERAL (
    WITH RECURSIVE referenced AS (
        SELECT c.confrelid AS oid
        UNION ALL
        SELECT i.inhrelid FROM pg_inherits i JOIN referenced r ON i.inhparent = r.oid
    )
    SELECT sum(pg_stat_get_tuples_deleted(r.oid))::bigint AS deletes,
           sum(pg_stat_get_tuples_updated(r.oid) - pg_stat_get_tuples_hot_updated(r.oid))::bigint AS updates
    FROM referenced r
) asking
WHERE c.contype = 'f' AND c.oid = ANY (%(oids)s::bigint[]::oid[])
