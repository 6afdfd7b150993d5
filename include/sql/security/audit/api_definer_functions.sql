-- G78: SECURITY DEFINER functions of an exposed schema that a role of the API may call by a grant of its own. What PUBLIC
-- may call is public_functions' matter; a trigger function cannot be called.
SELECT quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' AS name,
       string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) || ' may run it as '
           || quote_ident(pg_get_userbyid(p.proowner)) AS detail
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
JOIN pg_roles r ON r.rolname = ANY (%(api_roles)s::text[])
               AND has_schema_privilege(r.oid, n.oid, 'USAGE')
               AND has_function_privilege(r.oid, p.oid, 'EXECUTE')
WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
  AND p.prosecdef AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
  AND NOT has_function_privilege('public', p.oid, 'EXECUTE')
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e')
GROUP BY p.oid, n.nspname, p.proname, p.proargtypes, p.proowner
