-- G53: indexes that no query here has used since statistics began, largest first. Left out is what does other work than
-- answering queries: what keeps rows unique or excludes them, what a constraint or a replica's identity rests on, what
-- CLUSTER orders by, expressions (ANALYZE keeps statistics of them that the planner reads without a scan), and what
-- cannot be dropped alone: indexes of partitioned tables with those of their partitions, and members of extensions; and
-- what begins with the column by whose index a log of config's is read (%(schemas)s, %(tables)s, %(columns)s).
-- Asking for a size waits for ACCESS EXCLUSIVE; where somebody has or wants that, what the catalogue noted must do.
WITH locked AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
),
unused AS (
    SELECT i.oid, n.nspname, i.relname, i.relpages, i.reltablespace, x.indrelid, t.relname AS table_name,
           CASE WHEN i.oid IN (SELECT locked.relation FROM locked)
                THEN i.relpages::bigint * current_setting('block_size')::int
                ELSE pg_relation_size(i.oid) END AS bytes
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_class t ON t.oid = x.indrelid
    JOIN pg_namespace n ON n.oid = i.relnamespace
    JOIN pg_stat_all_indexes s ON s.indexrelid = x.indexrelid
    WHERE s.idx_scan = 0
      AND x.indisvalid AND x.indisready
      AND NOT (x.indisunique OR x.indisprimary OR x.indisexclusion OR x.indisreplident OR x.indisclustered)
      AND x.indexprs IS NULL
      AND i.relkind = 'i' AND NOT i.relispartition AND i.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid)
      AND NOT EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = i.oid AND d.deptype = 'e')
      AND NOT (x.indpred IS NULL AND EXISTS (
          SELECT FROM unnest(%(schemas)s::text[], %(tables)s::text[], %(columns)s::text[]) AS w (schema, name, attribute)
          JOIN pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[0] AND a.attname = w.attribute
          WHERE t.relname = w.name AND t.relnamespace = (SELECT m.oid FROM pg_namespace m WHERE m.nspname = w.schema)))
)
SELECT u.oid::bigint AS oid, u.nspname AS schema, u.relname AS "index", u.table_name AS "table",
       u.bytes::bigint AS bytes, 0::bigint AS scans,
       pg_get_indexdef(u.oid) AS definition,
       (SELECT s.spcname FROM pg_tablespace s WHERE s.oid = u.reltablespace) AS tablespace
FROM unused u
WHERE u.bytes >= %(min_bytes)s
ORDER BY u.bytes DESC, u.oid
