-- G54-G58: where pgstattuple lies in this database, whether this role may call it, and whether the server could have it.
-- Its functions read whole tables, so that only members of pg_stat_scan_tables (pg_monitor is one) may, unless granted.
SELECT n.nspname AS schema,
       coalesce(has_schema_privilege(n.oid, 'USAGE')
                AND (SELECT bool_and(has_function_privilege(p.oid, 'EXECUTE'))
                     FROM pg_depend d
                     JOIN pg_proc p ON p.oid = d.objid
                     WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_extension'::regclass
                       AND d.refobjid = e.oid AND d.deptype = 'e'
                       AND p.proname IN ('pgstatindex', 'pgstattuple_approx')), false) AS may,
       a.name IS NOT NULL AS available,
       current_user::text AS "role"
FROM (SELECT) AS once
LEFT JOIN pg_available_extensions a ON a.name = 'pgstattuple'
LEFT JOIN pg_extension e ON e.extname = 'pgstattuple'
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
