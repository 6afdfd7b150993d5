-- G78: what PUBLIC or a role of the API may do with the server's own catalogues and functions beyond what initdb gave
-- PUBLIC: such as reading files of the server, or the catalogue of passwords. The views of information_schema are left out:
-- they show nobody more than is theirs.
WITH grantees AS (
    SELECT 0::oid AS id, 'PUBLIC' AS name
    UNION ALL
    SELECT r.oid, quote_ident(r.rolname) FROM pg_roles r WHERE r.rolname = ANY (%(api_roles)s::text[])
),
listed AS (
    SELECT 'pg_class'::regclass AS class, c.oid, 0 AS part, c.relacl AS acl, acldefault('r', c.relowner) AS usual,
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pg_catalog' AND c.relacl IS NOT NULL
    UNION ALL
    SELECT 'pg_class'::regclass, c.oid, a.attnum, a.attacl, acldefault('c', c.relowner),
           quote_ident(n.nspname) || '.' || quote_ident(c.relname) || '.' || quote_ident(a.attname)
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = 'pg_catalog' AND a.attacl IS NOT NULL
    UNION ALL
    SELECT 'pg_proc'::regclass, p.oid, 0, p.proacl, acldefault('f', p.proowner),
           quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')'
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname = 'pg_catalog' AND p.proacl IS NOT NULL
)
SELECT l.name || ' to ' || g.name AS name,
       string_agg(e.privilege_type, ', ' ORDER BY e.privilege_type) || ', which a new server does not give' AS detail
FROM listed l
LEFT JOIN pg_init_privs i ON i.classoid = l.class AND i.objoid = l.oid AND i.objsubid = l.part
CROSS JOIN LATERAL aclexplode(l.acl) AS e
JOIN grantees g ON g.id = e.grantee
WHERE NOT EXISTS (SELECT FROM aclexplode(coalesce(i.initprivs, l.usual)) AS given
                  WHERE given.grantee IN (0, e.grantee) AND given.privilege_type = e.privilege_type)
GROUP BY l.name, g.name
