-- G78: extensions whose objects lie in an exposed schema: the API offers their functions and views beside your own.
SELECT quote_ident(e.extname) AS name, 'in the schema ' || quote_ident(n.nspname) AS detail
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
