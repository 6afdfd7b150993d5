-- G78: tables of an exposed schema that a role of the API may write to while no row-level security guards them.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       string_agg(quote_ident(r.rolname) || ' may ' || may.do_what, '; ' ORDER BY r.rolname) AS detail
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles r ON r.rolname = ANY (%(api_roles)s::text[]) AND has_schema_privilege(r.oid, n.oid, 'USAGE')
CROSS JOIN LATERAL (SELECT concat_ws(', ',
                               CASE WHEN has_any_column_privilege(r.oid, c.oid, 'INSERT') THEN 'INSERT' END,
                               CASE WHEN has_any_column_privilege(r.oid, c.oid, 'UPDATE') THEN 'UPDATE' END,
                               CASE WHEN has_table_privilege(r.oid, c.oid, 'DELETE') THEN 'DELETE' END)) AS may (do_what)
WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
  AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
  AND may.do_what <> ''
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
GROUP BY c.oid, n.nspname, c.relname
