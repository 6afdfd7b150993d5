-- G77: who is a member of what. Before 16 a member inherits as its own role says, and may always become the other; the
-- words are those of 16, so that an upgrade is no change.
SELECT 'membership' AS kind,
       format('%I in %I', m.rolname, g.rolname) AS name,
       concat_ws(', ',
                 CASE WHEN bool_or(a.admin_option) THEN 'admin' END,
                 CASE WHEN m.rolinherit THEN 'inherit' END,
                 'set',
                 CASE WHEN g.rolsuper OR g.rolbypassrls OR g.rolname IN ('pg_execute_server_program',
                      'pg_read_server_files', 'pg_write_server_files') THEN 'powerful' END) AS says
FROM pg_auth_members a
JOIN pg_roles m ON m.oid = a.member
JOIN pg_roles g ON g.oid = a.roleid
WHERE m.rolname !~ '^pg_'
GROUP BY m.rolname, m.rolinherit, g.rolname, g.rolsuper, g.rolbypassrls
