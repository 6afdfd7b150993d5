-- G105: what a whole system has beside its rows: roles, extensions, settings of its own, schemas, and what lies in them.
SELECT 'role' AS kind, quote_ident(r.rolname) AS name FROM pg_roles r
UNION ALL
SELECT 'extension', format('%I %s', e.extname, e.extversion) FROM pg_extension e
UNION ALL
SELECT 'schema', quote_ident(n.nspname) FROM pg_namespace n WHERE n.nspname !~ '^pg_(toast_)?temp_'
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index'
                      ELSE 'table' END,
       format('%I.%I', n.nspname, c.relname)
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'function', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid))
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2
