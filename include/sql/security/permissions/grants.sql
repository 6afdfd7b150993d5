-- G77: who but the owner may do what with the database, its schemas, relations, columns and functions; a * is the right
-- to grant it on. A list that was never touched means the server's default, which for PUBLIC is said to be one.
-- What belongs to the system or to an extension changes with them and is left out.
WITH listed AS (
    SELECT 'database' AS class, quote_ident(d.datname) AS name, d.datdba AS owner,
           coalesce(d.datacl, acldefault('d', d.datdba)) AS acl, d.datacl IS NULL AS untouched
    FROM pg_database d
    WHERE d.datname = current_database()
    UNION ALL
    SELECT 'schema', quote_ident(n.nspname), n.nspowner, n.nspacl, false
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND n.nspacl IS NOT NULL
      AND NOT EXISTS (SELECT FROM pg_depend x
                      WHERE x.classid = 'pg_namespace'::regclass AND x.objid = n.oid AND x.deptype = 'e')
    UNION ALL
    SELECT CASE c.relkind WHEN 'S' THEN 'sequence' ELSE 'table' END,
           format('%I.%I', n.nspname, c.relname), c.relowner, c.relacl, false
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND c.relacl IS NOT NULL
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend x
                      WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
    UNION ALL
    SELECT 'column', format('%I.%I.%I', n.nspname, c.relname, a.attname), c.relowner, a.attacl, false
    FROM pg_attribute a
    JOIN pg_class c ON c.oid = a.attrelid
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend x
                      WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
    UNION ALL
    SELECT 'function', format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)), p.proowner,
           coalesce(p.proacl, acldefault('f', p.proowner)), p.proacl IS NULL
    FROM pg_proc p
    JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
      AND NOT EXISTS (SELECT FROM pg_depend x
                      WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e')
),
given AS (
    SELECT l.class, l.name, l.untouched, e.grantee, e.privilege_type, bool_or(e.is_grantable) AS grantable
    FROM listed l
    CROSS JOIN LATERAL aclexplode(l.acl) AS e
    WHERE e.grantee <> l.owner
    GROUP BY l.class, l.name, l.untouched, e.grantee, e.privilege_type
)
SELECT 'grant' AS kind,
       format('%s %s to %s', g.class, g.name,
              CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(g.grantee)) END) AS name,
       string_agg(g.privilege_type || CASE WHEN g.grantable THEN '*' ELSE '' END, ', ' ORDER BY g.privilege_type)
       || CASE WHEN g.untouched THEN ' by default' ELSE '' END AS says
FROM given g
GROUP BY g.class, g.name, g.untouched, g.grantee
