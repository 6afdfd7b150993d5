-- G78: tables of an exposed schema without row-level security: who may read one reads every row. A partition that no role
-- of the API may read is its parent's matter.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       coalesce('every row can be read by ' || string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname),
                'no role of the API may read it today; one GRANT is all that is missing') AS detail,
       CASE WHEN count(r.oid) = 0 THEN 'advisory' ELSE 'warning' END AS level
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_roles r ON r.rolname = ANY (%(api_roles)s::text[])
                    AND has_schema_privilege(r.oid, n.oid, 'USAGE')
                    AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
  AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
GROUP BY c.oid, n.nspname, c.relname, c.relispartition
HAVING NOT c.relispartition OR count(r.oid) > 0
