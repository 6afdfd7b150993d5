-- G78: SECURITY DEFINER functions that PUBLIC may call, as it may call every new function: whoever connects acts as the
-- owner. A trigger function cannot be called.
SELECT quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' AS name,
       'everybody may run it as ' || quote_ident(o.rolname)
           || CASE WHEN o.rolsuper THEN ', a superuser' WHEN o.rolbypassrls THEN ', who passes every policy' ELSE '' END AS detail
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_roles o ON o.oid = p.proowner
WHERE p.prosecdef AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND has_function_privilege('public', p.oid, 'EXECUTE')
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e')
