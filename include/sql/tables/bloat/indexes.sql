-- G55-G58: the valid indexes of some tables with what a rebuild must know of them, the largest first. The estimate is what
-- a B-tree's rows would take by the average widths that ANALYZE noted (equal keys are stored once from PostgreSQL 13 on:
-- then it is too much, and bloat is told too low); null where it cannot be made. Left out is what is no index of its own:
-- partitioned ones. Sizes wait for ACCESS EXCLUSIVE; where somebody has or wants that, what the catalogue noted must do.
-- An exclusion constraint's cannot be rebuilt beside the table's use (the server refuses).
WITH locked AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT i.oid::bigint AS oid, n.nspname AS schema, i.relname AS "index", t.oid::bigint AS table_oid, m.amname AS method,
       i.relpersistence <> 't' AND NOT x.indisexclusion AS rebuildable,
       b.bytes,
       CASE WHEN t.oid IN (SELECT locked.relation FROM locked)
            THEN t.relpages::bigint * current_setting('block_size')::int
            ELSE pg_relation_size(t.oid) END AS table_bytes,
       o.fillfactor,
       CASE WHEN m.amname = 'btree' AND i.reltuples >= 0 THEN (1 + ceil(
           i.reltuples * (12 + (w.width + 7) / 8 * 8)
           / ((current_setting('block_size')::int - 40) * o.fillfactor / 100.0)
       )::bigint) * current_setting('block_size')::int END AS needed_bytes
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid AND i.relkind = 'i'
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
JOIN pg_am m ON m.oid = i.relam
CROSS JOIN LATERAL (
    SELECT coalesce((SELECT f.option_value::int FROM pg_options_to_table(i.reloptions) f
                     WHERE f.option_name = 'fillfactor'), 90) AS fillfactor
) o
CROSS JOIN LATERAL (
    SELECT CASE WHEN i.oid IN (SELECT locked.relation FROM locked)
                THEN i.relpages::bigint * current_setting('block_size')::int
                ELSE pg_relation_size(i.oid) END AS bytes
) b
LEFT JOIN LATERAL (
    SELECT CASE WHEN bool_and(p.avg_width IS NOT NULL)
                THEN ceil(sum((1 - p.null_frac) * p.avg_width))::bigint END AS width
    FROM pg_attribute a
    LEFT JOIN pg_attribute column_ ON column_.attrelid = t.oid AND column_.attnum = x.indkey[a.attnum - 1]
    LEFT JOIN pg_stats p
        ON p.schemaname = n.nspname AND NOT p.inherited
       AND p.tablename = CASE WHEN column_.attnum > 0 THEN t.relname ELSE i.relname END
       AND p.attname = CASE WHEN column_.attnum > 0 THEN column_.attname ELSE a.attname END
    WHERE a.attrelid = i.oid AND a.attnum > 0
) w ON true
WHERE x.indrelid = ANY (%(tables)s::bigint[]::oid[]) AND x.indisvalid AND x.indisready
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY b.bytes DESC, i.oid
