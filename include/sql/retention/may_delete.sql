-- G68: whether a role may take rows out of a log: by DELETE or TRUNCATE, its own or those of a role that it inherits from;
-- and as which roles it could do it all the same: the owner, who may grant both, and those it need not inherit from.
-- No row when the role or the table is not there.
SELECT has_table_privilege(r.oid, c.oid, 'DELETE') AS may_delete,
       has_table_privilege(r.oid, c.oid, 'TRUNCATE') AS may_truncate,
       r.rolsuper AS superuser,
       ARRAY(SELECT m.rolname::text FROM pg_roles m
             WHERE pg_has_role(r.oid, m.oid, 'MEMBER') AND (m.oid = c.relowner
                   OR m.oid <> r.oid AND has_table_privilege(m.oid, c.oid, 'DELETE, TRUNCATE'))
             ORDER BY 1) AS could_as
FROM pg_roles r
CROSS JOIN pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rolname = %(role)s AND n.nspname = %(schema)s AND c.relname = %(table)s
