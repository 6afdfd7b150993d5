-- G49: the largest tables by OID (text concatenation of names fails on mixed case), with their size on disk and the rows that the server counts; a partitioned
-- table is one, with the sum of its partitions. Config's schemas, without any all but the system's.
-- Asking each of thousands of tables for its size costs dozens of buffers a table, most of them for its indexes: the
-- catalogue's own page counts choose the candidates, with all that it has never counted; these are asked for their rows,
-- and only those that are then the largest for all. A table that is dropped meanwhile has no size and is left out.
WITH relations AS MATERIALIZED (
    SELECT coalesce(i.indrelid, c.oid) AS oid,
           sum(c.relpages) AS pages,
           sum(c.relpages) FILTER (WHERE i.indexrelid IS NOT NULL) AS index_pages
    FROM pg_class c
    LEFT JOIN pg_index i ON i.indexrelid = c.oid
    WHERE c.relpages > 0
    GROUP BY 1
),
counted AS MATERIALIZED (
    SELECT c.oid, coalesce(CASE WHEN c.relispartition THEN pg_partition_root(c.oid) END, c.oid) AS root,
           c.reltuples, c.reltoastrelid,
           coalesce(r.pages, 0) + coalesce(t.pages, 0) AS pages,
           coalesce(r.index_pages, 0) AS index_pages
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN relations r ON r.oid = c.oid
    LEFT JOIN relations t ON t.oid = c.reltoastrelid
    WHERE c.relkind IN ('r', 'm')
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND (cardinality(%(schemas)s::text[]) = 0 OR n.nspname = ANY (%(schemas)s::text[]))
),
whole AS (
    SELECT root, sum(pages) AS pages, bool_or(reltuples < 0) AS uncounted, sum(greatest(reltuples, 0)) AS reltuples,
           count(*) FILTER (WHERE oid <> root)::int AS partitions
    FROM counted
    GROUP BY root
),
candidates AS (
    (SELECT * FROM whole WHERE NOT uncounted ORDER BY pages DESC, root LIMIT %(largest_tables)s + 20)
    UNION ALL
    SELECT * FROM whole WHERE uncounted
),
largest AS (
    SELECT w.root, w.reltuples, w.partitions
    FROM candidates w
    CROSS JOIN LATERAL (
        SELECT sum(pg_relation_size(c.oid) + coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0)
                   + c.index_pages * current_setting('block_size')::int) AS bytes
        FROM counted c
        WHERE c.root = w.root
    ) sized
    WHERE sized.bytes IS NOT NULL
    ORDER BY sized.bytes DESC, w.root
    LIMIT %(largest_tables)s
)
SELECT l.root::bigint AS oid,
       n.nspname AS schema,
       t.relname AS "table",
       l.partitions,
       s.total_bytes,
       s.index_bytes,
       l.reltuples::bigint AS estimated_rows,
       s.live_rows,
       s.dead_rows
FROM largest l
JOIN pg_class t ON t.oid = l.root
JOIN pg_namespace n ON n.oid = t.relnamespace
CROSS JOIN LATERAL (
    SELECT sum(pg_total_relation_size(c.oid))::bigint AS total_bytes,
           coalesce(sum(pg_indexes_size(c.oid)), 0)::bigint AS index_bytes,
           coalesce(sum(pg_stat_get_live_tuples(c.oid)), 0)::bigint AS live_rows,
           coalesce(sum(pg_stat_get_dead_tuples(c.oid)), 0)::bigint AS dead_rows
    FROM counted c
    WHERE c.root = l.root
) s
WHERE s.total_bytes IS NOT NULL
ORDER BY total_bytes DESC, oid
