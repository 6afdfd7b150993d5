-- G78: materialized views that a role of the API may read: what they hold was read by their owner, and no policy can be put
-- on them.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       'every row can be read by ' || string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) AS detail
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_roles r ON r.rolname = ANY (%(api_roles)s::text[])
               AND has_schema_privilege(r.oid, n.oid, 'USAGE')
               AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
WHERE n.nspname = ANY (%(exposed_schemas)s::text[]) AND c.relkind = 'm'
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
GROUP BY c.oid, n.nspname, c.relname
