-- G49: the largest tables by OID (text concatenation of names fails on mixed case), with their size on disk.
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
counted AS (
    SELECT c.oid, c.relname, c.reltuples, c.reltoastrelid,
           coalesce(r.pages, 0) + coalesce(t.pages, 0) AS pages,
           coalesce(r.index_pages, 0) AS index_pages
    FROM pg_class c
    LEFT JOIN relations r ON r.oid = c.oid
    LEFT JOIN relations t ON t.oid = c.reltoastrelid
    WHERE c.relkind IN ('r', 'm') AND c.relnamespace = to_regnamespace('public')
),
candidates AS (
    (SELECT * FROM counted WHERE reltuples >= 0 ORDER BY pages DESC, oid LIMIT %(largest_tables)s + 20)
    UNION ALL
    SELECT * FROM counted WHERE reltuples < 0
),
largest AS (
    SELECT c.oid, c.relname, c.reltuples
    FROM candidates c
    CROSS JOIN LATERAL (SELECT pg_relation_size(c.oid) AS bytes) heap
    CROSS JOIN LATERAL (SELECT coalesce(pg_relation_size(nullif(c.reltoastrelid, 0)), 0) AS bytes) toast
    WHERE heap.bytes IS NOT NULL
    ORDER BY heap.bytes + toast.bytes + c.index_pages * current_setting('block_size')::int DESC, c.oid
    LIMIT %(largest_tables)s
)
SELECT l.oid::bigint AS oid,
       'public' AS schema,
       l.relname AS "table",
       s.total_bytes,
       coalesce(pg_indexes_size(l.oid), 0) AS index_bytes,
       greatest(l.reltuples, 0)::bigint AS estimated_rows
FROM largest l
CROSS JOIN LATERAL (SELECT pg_total_relation_size(l.oid) AS total_bytes) s
WHERE s.total_bytes IS NOT NULL
ORDER BY total_bytes DESC, oid
