-- G78: settings of a role or a database that undo what the server's own protect: its log, its policies, its passwords.
SELECT concat_ws(' ',
                 'role ' || quote_ident(r.rolname),
                 CASE WHEN d.datname IS NULL THEN NULL WHEN r.rolname IS NULL THEN 'database ' || quote_ident(d.datname)
                      ELSE 'in ' || quote_ident(d.datname) END) || ': ' || split_part(c.setting, '=', 1) AS name,
       'set to ' || coalesce(nullif(substr(c.setting, strpos(c.setting, '=') + 1), ''), 'nothing') AS detail
FROM pg_db_role_setting o
LEFT JOIN pg_roles r ON r.oid = o.setrole
LEFT JOIN pg_database d ON d.oid = o.setdatabase
CROSS JOIN LATERAL unnest(o.setconfig) AS c (setting)
WHERE (d.datname IS NULL OR d.datname = current_database())
  AND c.setting ~ ('^(log_statement=none|log_min_error_statement=(log|fatal|panic)'
                   '|row_security=(off|false|no|0)|password_encryption=md5|session_replication_role=replica)$')
