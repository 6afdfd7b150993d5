-- G54-G58: config's tables as they are here, each partition of a partitioned one for itself; oid is null where there is no
-- such table. The estimate is what the rows would take by the average widths that ANALYZE noted; null without them.
-- Asking for a size waits for ACCESS EXCLUSIVE; where somebody has or wants that, what the catalogue noted must do.
WITH wanted AS (
    SELECT w.schema, w."table", w.place
    FROM unnest(%(schemas)s::text[], %(tables)s::text[]) WITH ORDINALITY AS w (schema, "table", place)
),
found AS (
    SELECT w.schema AS asked_schema, w."table" AS asked_table, w.place, coalesce(p.relid, c.oid) AS oid
    FROM wanted w
    LEFT JOIN pg_namespace n ON n.nspname = w.schema
    LEFT JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w."table" AND c.relkind IN ('r', 'm', 'p')
    LEFT JOIN LATERAL pg_partition_tree(c.oid) p ON c.relkind = 'p'
),
locked AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT f.asked_schema, f.asked_table, c.oid::bigint AS oid, n.nspname AS schema, c.relname AS "table",
       CASE WHEN c.oid IN (SELECT locked.relation FROM locked)
            THEN c.relpages::bigint * current_setting('block_size')::int
            ELSE pg_relation_size(c.oid) END AS bytes,
       s.n_live_tup AS live_rows, s.n_dead_tup AS dead_rows,
       CASE WHEN c.reltuples >= 0 THEN ceil(
           c.reltuples * (28 + (w.width + 7) / 8 * 8)
           / ((current_setting('block_size')::int - 24)
              * coalesce((SELECT o.option_value::int FROM pg_options_to_table(c.reloptions) o
                          WHERE o.option_name = 'fillfactor'), 100) / 100.0)
       )::bigint * current_setting('block_size')::int END AS needed_bytes
FROM found f
LEFT JOIN pg_class c ON c.oid = f.oid
LEFT JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_stat_all_tables s ON s.relid = c.oid
LEFT JOIN LATERAL (
    SELECT CASE WHEN bool_and(p.avg_width IS NOT NULL)
                THEN ceil(sum((1 - p.null_frac) * p.avg_width))::bigint END AS width
    FROM pg_attribute a
    LEFT JOIN pg_stats p
        ON p.schemaname = n.nspname AND p.tablename = c.relname AND p.attname = a.attname AND NOT p.inherited
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
) w ON true
WHERE c.oid IS NULL OR c.relkind IN ('r', 'm')
ORDER BY f.place, n.nspname, c.relname
