-- G77: who is a member of what. From 16 on each grant says whether it is inherited and may be set, and several grantors
-- may have given it: together they allow what one of them allows.
SELECT 'membership' AS kind,
       format('%I in %I', m.rolname, g.rolname) AS name,
       concat_ws(', ',
                 CASE WHEN bool_or(a.admin_option) THEN 'admin' END,
                 CASE WHEN bool_or(a.inherit_option) THEN 'inherit' END,
                 CASE WHEN bool_or(a.set_option) THEN 'set' END,
                 CASE WHEN g.rolsuper OR g.rolbypassrls OR g.rolname IN ('pg_execute_server_program',
                      'pg_read_server_files', 'pg_write_server_files') THEN 'powerful' END) AS says
FROM pg_auth_members a
JOIN pg_roles m ON m.oid = a.member
JOIN pg_roles g ON g.oid = a.roleid
WHERE m.rolname !~ '^pg_'
GROUP BY m.rolname, g.rolname, g.rolsuper, g.rolbypassrls
