-- G78: schemas and roles that config names and this server does not have: the rules about them look at nothing.
SELECT 'schema ' || quote_ident(s.name) AS name,
       'config calls it exposed, and this database has no such schema' AS detail
FROM unnest(%(exposed_schemas)s::text[]) AS s (name)
WHERE NOT EXISTS (SELECT FROM pg_namespace n WHERE n.nspname = s.name)
UNION
SELECT 'role ' || quote_ident(r.name),
       'config calls it a role of the API, and this server has no such role'
FROM unnest(%(api_roles)s::text[]) AS r (name)
WHERE NOT EXISTS (SELECT FROM pg_roles k WHERE k.rolname = r.name)
