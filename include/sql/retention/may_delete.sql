-- G68: whether a role may take rows out of a log: by DELETE or TRUNCATE, its own or those of a role that it inherits from.
-- No row when one of the two is not there.
SELECT has_table_privilege(r.oid, c.oid, 'DELETE') AS may_delete,
       has_table_privilege(r.oid, c.oid, 'TRUNCATE') AS may_truncate,
       r.rolsuper AS superuser
FROM pg_roles r
CROSS JOIN pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE r.rolname = %(role)s AND n.nspname = %(schema)s AND c.relname = %(table)s
