-- G105: what a whole system has beside its rows: roles, extensions, settings of its own, schemas, and what lies in them.
-- A dump leaves out what an extension makes, which another version of it may not, and indexes that are not valid.
WITH members AS (SELECT d.classid, d.objid FROM pg_depend d WHERE d.deptype = 'e')
SELECT 'role' AS kind, quote_ident(r.rolname) AS name, true AS dumped FROM pg_roles r
UNION ALL
SELECT 'extension', format('%I %s', e.extname, e.extversion), true FROM pg_extension e
UNION ALL
SELECT 'schema', quote_ident(n.nspname),
       NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_namespace'::regclass AND m.objid = n.oid)
FROM pg_namespace n
WHERE n.nspname !~ '^pg_(toast_)?temp_'
UNION ALL
SELECT CASE c.relkind WHEN 'v' THEN 'view' WHEN 'S' THEN 'sequence' WHEN 'i' THEN 'index' WHEN 'I' THEN 'index'
                      ELSE 'table' END,
       format('%I.%I', n.nspname, c.relname),
       (x.indisvalid OR c.relkind = 'I' OR x.indisvalid IS NULL)
       AND NOT EXISTS (SELECT FROM members m
                       WHERE m.classid = 'pg_class'::regclass AND m.objid IN (c.oid, x.indrelid))
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_index x ON x.indexrelid = c.oid
WHERE c.relpersistence = 'p' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
UNION ALL
SELECT 'function', format('%I.%I(%s)', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)),
       NOT EXISTS (SELECT FROM members m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY 1, 2
