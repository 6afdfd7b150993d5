-- G77: whose each schema and relation is, whether row-level security guards a table, and with whose rights a view reads.
SELECT 'schema' AS kind,
       quote_ident(n.nspname) AS name,
       'owner ' || quote_ident(pg_get_userbyid(n.nspowner)) AS says
FROM pg_namespace n
WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_namespace'::regclass AND x.objid = n.oid AND x.deptype = 'e')
UNION ALL
SELECT CASE c.relkind WHEN 'S' THEN 'sequence' WHEN 'v' THEN 'view' WHEN 'm' THEN 'view' ELSE 'table' END,
       format('%I.%I', n.nspname, c.relname),
       concat_ws(', ',
                 CASE WHEN c.relkind NOT IN ('r', 'p') THEN NULL
                      WHEN c.relrowsecurity AND c.relforcerowsecurity THEN 'row security on and forced'
                      WHEN c.relrowsecurity THEN 'row security on'
                      ELSE 'row security off' END,
                 'owner ' || quote_ident(pg_get_userbyid(c.relowner)),
                 (SELECT string_agg(o.option, ', ' ORDER BY o.option)
                  FROM unnest(c.reloptions) AS o (option)
                  WHERE c.relkind = 'v' AND o.option LIKE 'security%'))
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S')
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
