-- G49: the largest tables by OID (text concatenation of names fails on mixed case), with their size on disk.
-- A table that is dropped meanwhile has none and is left out.
SELECT c.oid::bigint AS oid,
       n.nspname AS schema,
       c.relname AS "table",
       s.total_bytes,
       coalesce(pg_indexes_size(c.oid), 0) AS index_bytes,
       greatest(c.reltuples, 0)::bigint AS estimated_rows
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT pg_total_relation_size(c.oid) AS total_bytes) s
WHERE c.relkind IN ('r', 'm')
  AND n.nspname = 'public'
  AND s.total_bytes IS NOT NULL
ORDER BY total_bytes DESC, oid
LIMIT %(largest_tables)s
