-- G79: who is, directly or through others, a member of a role that reaches past the database or past every policy. A
-- superuser needs no membership and is no member here; what a superuser's own role would give is one.
WITH RECURSIVE granted AS (
    SELECT a.roleid, a.member FROM pg_auth_members a
),
reached AS (
    SELECT p.oid AS power, g.member
    FROM pg_roles p
    JOIN granted g ON g.roleid = p.oid
    WHERE p.rolsuper OR p.rolbypassrls
       OR p.rolname IN ('pg_read_server_files', 'pg_write_server_files', 'pg_execute_server_program',
                        'pg_read_all_data', 'pg_write_all_data', 'pg_maintain', 'pg_create_subscription')
    UNION
    SELECT r.power, g.member
    FROM reached r
    JOIN granted g ON g.roleid = r.member
)
SELECT quote_ident(m.rolname) || ' in ' || quote_ident(p.rolname) AS name,
       concat_ws(', ',
                 CASE WHEN EXISTS (SELECT FROM granted g WHERE g.roleid = r.power AND g.member = r.member)
                      THEN 'by a grant' ELSE 'through other roles' END,
                 CASE WHEN p.rolsuper THEN 'a superuser' WHEN p.rolbypassrls THEN 'which passes every policy' END,
                 CASE WHEN NOT m.rolcanlogin THEN 'itself without login' END,
                 CASE WHEN m.rolname = ANY (%(api_roles)s::text[]) THEN 'a role of the API' END) AS detail,
       CASE WHEN m.rolname = ANY (%(api_roles)s::text[]) THEN 'critical' ELSE 'warning' END AS level
FROM reached r
JOIN pg_roles p ON p.oid = r.power
JOIN pg_roles m ON m.oid = r.member
WHERE NOT m.rolsuper AND m.rolname !~ '^pg_'
