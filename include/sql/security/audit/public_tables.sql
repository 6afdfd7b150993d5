-- G78: tables, views, sequences and columns on which PUBLIC has a privilege: every role has it, also those yet to come.
WITH listed AS (
    SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name, c.relacl AS acl
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relacl IS NOT NULL AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT c.oid, quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname), a.attacl
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT l.name, 'PUBLIC has ' || string_agg(e.privilege_type, ', ' ORDER BY e.privilege_type) AS detail
FROM listed l
CROSS JOIN LATERAL aclexplode(l.acl) AS e
WHERE e.grantee = 0
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_class'::regclass AND x.objid = l.oid AND x.objsubid = 0 AND x.deptype = 'e')
GROUP BY l.name
