-- Of each extension by name: the version in this database, or the one that the server has and this database does not.
SELECT w.name,
       e.extversion AS installed,
       a.default_version AS available,
       n.nspname AS schema,
       coalesce(has_schema_privilege(n.oid, 'USAGE'), false) AS usable
FROM unnest(%(names)s::text[]) WITH ORDINALITY AS w (name, place)
LEFT JOIN pg_extension e ON e.extname = w.name
LEFT JOIN pg_namespace n ON n.oid = e.extnamespace
LEFT JOIN pg_available_extensions a ON a.name = w.name
ORDER BY w.place
