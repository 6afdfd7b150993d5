-- G20, G85: the tables to look at: all, or those named as table or schema.table.
SELECT t.relid AS oid, t.schemaname || '.' || t.relname AS "table"
FROM pg_catalog.pg_stat_user_tables t
WHERE %(include)s::text[] IS NULL
   OR t.relname = ANY (%(include)s)
   OR t.schemaname || '.' || t.relname = ANY (%(include)s)
ORDER BY "table"
