-- G78: schemas that PUBLIC may look into, apart from public itself, where the server means it to be so.
SELECT quote_ident(n.nspname) AS name,
       'PUBLIC has ' || string_agg(e.privilege_type, ', ' ORDER BY e.privilege_type) AS detail
FROM pg_namespace n
CROSS JOIN LATERAL aclexplode(n.nspacl) AS e
WHERE e.grantee = 0 AND n.nspname !~ '^pg_' AND n.nspname NOT IN ('information_schema', 'public')
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_namespace'::regclass AND x.objid = n.oid AND x.deptype = 'e')
GROUP BY n.oid, n.nspname
