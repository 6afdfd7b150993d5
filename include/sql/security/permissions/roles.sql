-- G77: every role of the server with what it may do by itself. pg_roles and not pg_authid: no password, not even hashed.
SELECT 'role' AS kind,
       quote_ident(r.rolname) AS name,
       concat_ws(', ',
                 CASE WHEN r.rolcanlogin THEN 'login' ELSE 'nologin' END,
                 CASE WHEN r.rolsuper THEN 'superuser' END,
                 CASE WHEN r.rolcreaterole THEN 'createrole' END,
                 CASE WHEN r.rolcreatedb THEN 'createdb' END,
                 CASE WHEN r.rolreplication THEN 'replication' END,
                 CASE WHEN r.rolbypassrls THEN 'bypassrls' END,
                 CASE WHEN NOT r.rolinherit THEN 'noinherit' END,
                 'valid until ' || r.rolvaliduntil) AS says
FROM pg_roles r
WHERE r.rolname !~ '^pg_'
