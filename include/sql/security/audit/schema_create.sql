-- G78: where PUBLIC or a role of the API may create objects: a function put there is what others' queries then call. Up to
-- PostgreSQL 14 a new database lets PUBLIC create in the schema public.
WITH places AS (
    SELECT 'schema ' || quote_ident(n.nspname) AS name, n.oid AS schema, NULL::oid AS database
    FROM pg_namespace n
    WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION ALL
    SELECT 'database ' || quote_ident(d.datname), NULL, d.oid
    FROM pg_database d
    WHERE d.datname = current_database()
),
grantees AS (
    SELECT 'PUBLIC' AS grantee, 'public'::name AS role
    UNION ALL
    SELECT quote_ident(r.rolname), r.rolname
    FROM pg_roles r
    WHERE r.rolname = ANY (%(api_roles)s::text[])
)
SELECT p.name, string_agg(g.grantee, ', ' ORDER BY g.grantee) || ' may CREATE' AS detail
FROM places p
JOIN grantees g ON CASE WHEN p.schema IS NULL THEN has_database_privilege(g.role, p.database, 'CREATE')
                        ELSE has_schema_privilege(g.role, p.schema, 'CREATE') END
GROUP BY p.name
