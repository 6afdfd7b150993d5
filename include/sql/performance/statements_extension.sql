-- Where pg_stat_statements is: its schema differs (Supabase: extensions), and without it nothing is known of queries.
SELECT n.nspname AS schema, has_schema_privilege(n.oid, 'USAGE') AS usable
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE e.extname = 'pg_stat_statements'
