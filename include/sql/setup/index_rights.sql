-- G53, G55-G58, G60: DROP and CREATE INDEX, VALIDATE CONSTRAINT and, before PostgreSQL 17, REINDEX ask for the owner of the table;
-- how many tables with indexes this role does not own, and whose they are. A drop renames first, which asks for CREATE in
-- the schema as CREATE INDEX does: the schemas with tables that it owns where it may not.
WITH tables AS (
    SELECT pg_has_role(c.relowner, 'USAGE') AS may, pg_get_userbyid(c.relowner)::text AS owner,
           n.nspname::text AS schema, has_schema_privilege(n.oid, 'CREATE') AS may_rename
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'm') AND c.relhasindex AND c.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
)
SELECT current_user::text AS "role",
       count(*)::int AS tables,
       count(*) FILTER (WHERE NOT may)::int AS refused,
       (array_agg(DISTINCT owner) FILTER (WHERE NOT may))[:5] AS owners,
       (array_agg(DISTINCT schema) FILTER (WHERE may AND NOT may_rename))[:5] AS closed_schemas
FROM tables
