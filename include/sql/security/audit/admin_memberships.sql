-- G79: who may make anybody a member of a role, and so decides who has its rights: memberships WITH ADMIN OPTION. From 16
-- on whoever creates a role gets one of it. A superuser may do it anyway and is left out.
SELECT quote_ident(m.rolname) || ' over ' || quote_ident(g.rolname) AS name,
       concat_ws(', ',
                 'may make anybody a member of it',
                 CASE WHEN g.rolsuper THEN 'a superuser' WHEN g.rolbypassrls THEN 'which passes every policy'
                      WHEN g.rolname ~ '^pg_' THEN 'a role of the server' END,
                 CASE WHEN NOT m.rolcanlogin THEN 'itself without login' END,
                 CASE WHEN m.rolname = ANY (%(api_roles)s::text[]) THEN 'a role of the API' END) AS detail,
       CASE WHEN m.rolname = ANY (%(api_roles)s::text[]) THEN 'critical'
            WHEN g.rolsuper OR g.rolbypassrls OR g.rolname ~ '^pg_' THEN 'warning'
            ELSE 'advisory' END AS level
FROM pg_auth_members a
JOIN pg_roles m ON m.oid = a.member
JOIN pg_roles g ON g.oid = a.roleid
WHERE a.admin_option AND NOT m.rolsuper AND m.rolname !~ '^pg_'
GROUP BY m.rolname, m.rolcanlogin, g.rolname, g.rolsuper, g.rolbypassrls
