-- G78: foreign tables that a role of the API may read: the other server answers as the user mapping's account, and no
-- policy can be put on them.
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       'rows of the server ' || quote_ident(s.srvname) || ' can be read by '
           || string_agg(quote_ident(r.rolname), ', ' ORDER BY r.rolname) AS detail
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_foreign_table f ON f.ftrelid = c.oid
JOIN pg_foreign_server s ON s.oid = f.ftserver
JOIN pg_roles r ON r.rolname = ANY (%(api_roles)s::text[])
               AND has_schema_privilege(r.oid, n.oid, 'USAGE')
               AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
GROUP BY c.oid, n.nspname, c.relname, s.srvname
