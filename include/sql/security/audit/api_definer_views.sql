-- G78: views of an exposed schema that read with their owner's rights: the policies of what they read are the owner's, not
-- the reader's. Before PostgreSQL 15 every view does.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       concat_ws('; ',
                 'it reads as ' || quote_ident(o.rolname)
                     || CASE WHEN o.rolsuper THEN ', a superuser' WHEN o.rolbypassrls THEN ', who passes every policy'
                             ELSE '' END,
                 coalesce('open to ' || string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname),
                          'no role of the API may read it today')) AS detail,
       CASE WHEN count(r.oid) = 0 THEN 'advisory' ELSE 'warning' END AS level
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles o ON o.oid = c.relowner
LEFT JOIN pg_roles r ON r.rolname = ANY (%(api_roles)s::text[])
                    AND has_schema_privilege(r.oid, n.oid, 'USAGE')
                    AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
  AND c.relkind = 'v'
  AND NOT EXISTS (SELECT FROM pg_options_to_table(c.reloptions) AS w
                  WHERE CASE w.option_name WHEN 'security_invoker' THEN w.option_value::boolean END)
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
GROUP BY c.oid, n.nspname, c.relname, o.rolname, o.rolsuper, o.rolbypassrls
