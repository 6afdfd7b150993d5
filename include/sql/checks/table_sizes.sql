-- G49: the largest tables by OID (text concatenation of names fails on mixed case), with their size on disk.
SELECT c.oid::bigint AS oid,
       n.nspname AS schema,
       c.relname AS "table",
       pg_total_relation_size(c.oid) AS total_bytes,
       pg_indexes_size(c.oid) AS index_bytes,
       greatest(c.reltuples, 0)::bigint AS estimated_rows
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm')
  AND n.nspname = 'public'
ORDER BY total_bytes DESC, oid
LIMIT %(largest_tables)s
