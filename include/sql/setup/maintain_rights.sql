-- X10: VACUUM of a table by a role that may not only warns. Before PostgreSQL 17 its owner may, and the database's.
WITH tables AS (
    SELECT format('%I.%I', n.nspname, c.relname) AS name,
           pg_has_role(c.relowner, 'USAGE')
           OR (SELECT pg_has_role(d.datdba, 'USAGE') FROM pg_database d WHERE d.datname = current_database()) AS may
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT current_user AS "role",
       (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) AS superuser,
       count(*)::int AS tables,
       count(*) FILTER (WHERE NOT may)::int AS refused,
       (array_agg(name ORDER BY name) FILTER (WHERE NOT may))[:5] AS names
FROM tables
