-- G78: tables of an exposed schema with row-level security and no policy: all but the owner and those who pass it see no row.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       'row-level security is on and no policy lets anybody in; its owner is ' || quote_ident(pg_get_userbyid(c.relowner))
           || CASE WHEN c.relforcerowsecurity THEN ', who sees nothing either' ELSE '' END AS detail
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
  AND c.relkind IN ('r', 'p') AND c.relrowsecurity
  AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
