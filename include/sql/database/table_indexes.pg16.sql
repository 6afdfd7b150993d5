-- G49, G53: the indexes of some tables, largest first: their size and how often queries have scanned them since the counters
-- began; of a partitioned table an index is one, with the sum of its partitions'. From 16 on the server says when
-- the last scan was.
WITH tables AS (
    SELECT r.oid::oid AS root, r.oid::oid AS oid FROM unnest(%(oids)s::bigint[]) AS r (oid)
    UNION
    SELECT r.oid::oid, p.relid::oid FROM unnest(%(oids)s::bigint[]) AS r (oid) CROSS JOIN LATERAL pg_partition_tree(r.oid::oid::regclass) p
),
counted AS (
    SELECT t.root AS table_oid,
           coalesce(CASE WHEN i.relispartition THEN pg_partition_root(i.oid) END, i.oid) AS root,
           pg_relation_size(i.oid) AS bytes, coalesce(s.idx_scan, 0) AS scans, s.last_idx_scan AS last_used,
           x.indisunique, x.indisvalid
    FROM tables t
    JOIN pg_index x ON x.indrelid = t.oid
    JOIN pg_class i ON i.oid = x.indexrelid
    LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = x.indexrelid
)
SELECT n.nspname AS schema, r.relname AS "index", tn.nspname AS table_schema, tr.relname AS "table",
       sum(c.bytes)::bigint AS bytes, sum(c.scans)::bigint AS scans, max(c.last_used) AS last_used,
       bool_and(c.indisunique) AS is_unique, bool_and(c.indisvalid) AS valid,
       (SELECT coalesce(d.stats_reset, pg_postmaster_start_time()) FROM pg_stat_database d
        WHERE d.datname = current_database()) AS since
FROM counted c
JOIN pg_class r ON r.oid = c.root
JOIN pg_namespace n ON n.oid = r.relnamespace
JOIN pg_class tr ON tr.oid = c.table_oid
JOIN pg_namespace tn ON tn.oid = tr.relnamespace
WHERE c.bytes IS NOT NULL
GROUP BY 1, 2, 3, 4, c.root
ORDER BY bytes DESC, c.root
LIMIT %(most)s
