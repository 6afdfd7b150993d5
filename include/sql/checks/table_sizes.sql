-- G49: the largest tables by OID (text concatenation of names fails on mixed case), with their size on disk.
-- Asking each of thousands of tables for its size costs dozens of buffers a table: the catalogue's own page counts
-- choose the candidates, with all that it has never counted, and only those are asked. A table that is dropped
-- meanwhile has no size and is left out.
WITH counted AS (
    SELECT c.oid, c.relname, c.reltuples,
           c.relpages::bigint + coalesce(t.relpages, 0) + coalesce(i.pages, 0) AS pages
    FROM pg_class c
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid
    LEFT JOIN (SELECT x.indrelid, sum(n.relpages) AS pages
               FROM pg_index x
               JOIN pg_class n ON n.oid = x.indexrelid
               GROUP BY x.indrelid) i ON i.indrelid = c.oid
    WHERE c.relkind IN ('r', 'm') AND c.relnamespace = to_regnamespace('public')
),
candidates AS (
    (SELECT oid, relname, reltuples FROM counted WHERE reltuples >= 0 ORDER BY pages DESC, oid
     LIMIT %(largest_tables)s + 20)
    UNION ALL
    SELECT oid, relname, reltuples FROM counted WHERE reltuples < 0
)
SELECT c.oid::bigint AS oid,
       'public' AS schema,
       c.relname AS "table",
       s.total_bytes,
       coalesce(pg_indexes_size(c.oid), 0) AS index_bytes,
       greatest(c.reltuples, 0)::bigint AS estimated_rows
FROM candidates c
CROSS JOIN LATERAL (SELECT pg_total_relation_size(c.oid) AS total_bytes) s
WHERE s.total_bytes IS NOT NULL
ORDER BY total_bytes DESC, oid
LIMIT %(largest_tables)s
