-- G79: roles that are no superusers and may by themselves make roles or databases, pass policies, or replicate.
SELECT quote_ident(r.rolname) AS name,
       concat_ws(', ',
                 CASE WHEN r.rolcreaterole THEN 'CREATEROLE' END,
                 CASE WHEN r.rolbypassrls THEN 'BYPASSRLS' END,
                 CASE WHEN r.rolreplication THEN 'REPLICATION' END,
                 CASE WHEN r.rolcreatedb THEN 'CREATEDB' END,
                 CASE WHEN NOT r.rolcanlogin THEN 'without login' END,
                 CASE WHEN r.rolname = ANY (%(api_roles)s::text[]) THEN 'a role of the API' END) AS detail,
       CASE WHEN r.rolname = ANY (%(api_roles)s::text[]) THEN 'critical'
            WHEN r.rolcreaterole OR r.rolbypassrls OR r.rolreplication THEN 'warning'
            ELSE 'advisory' END AS level
FROM pg_roles r
WHERE NOT r.rolsuper AND r.rolname !~ '^pg_'
  AND (r.rolcreaterole OR r.rolbypassrls OR r.rolreplication OR r.rolcreatedb)
