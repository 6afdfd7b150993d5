-- Whether new statements can be told from old ones: where pg_stat_statements is, whether the server has loaded it (its
-- settings are there from the start of the session then), whether it counts, is of 1.9 or later and shows others' statements.
SELECT n.nspname AS schema,
       d.oid::text AS database,
       current_user::text AS "role",
       has_schema_privilege(n.oid, 'USAGE') AS usable,
       current_setting('pg_stat_statements.max', true) IS NOT NULL AS loaded,
       coalesce(current_setting('pg_stat_statements.track', true), '') <> 'none' AS counts,
       EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = n.oid AND c.relname = 'pg_stat_statements_info') AS dated,
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS allowed
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
JOIN pg_database d ON d.datname = current_database()
WHERE e.extname = 'pg_stat_statements'
