-- G90: the largest tables with their indexes and TOAST, by OID; one that is dropped meanwhile has no size.
SELECT * FROM (
    SELECT t.schemaname || '.' || t.relname AS "table", pg_total_relation_size(t.relid) AS total_bytes,
           pg_indexes_size(t.relid) AS index_bytes
    FROM pg_catalog.pg_stat_user_tables t) AS sizes
WHERE total_bytes IS NOT NULL
ORDER BY total_bytes DESC, "table"
LIMIT %(limit)s
