-- G79: superusers that config does not expect. The one that initdb made is left out: it cannot be taken away.
SELECT quote_ident(r.rolname) AS name,
       CASE WHEN r.rolcanlogin THEN 'a superuser that may log in' ELSE 'a superuser without login' END
           || CASE WHEN r.rolname = ANY (%(api_roles)s::text[]) THEN ', and a role of the API' ELSE '' END AS detail,
       CASE WHEN r.rolname = ANY (%(api_roles)s::text[]) THEN 'critical' ELSE 'warning' END AS level
FROM pg_roles r
WHERE r.rolsuper AND r.oid <> 10 AND r.rolname <> ALL (%(expected_superusers)s::text[])
