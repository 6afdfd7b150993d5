-- The role for checks must not be able to write: how many tables of schema public it could change.
SELECT current_user AS "role",
       r.rolsuper AS superuser,
       (SELECT count(*)
        FROM pg_class c
        WHERE c.relnamespace = to_regnamespace('public')
          AND c.relkind IN ('r', 'p')
          AND (has_any_column_privilege(c.oid, 'INSERT') OR has_any_column_privilege(c.oid, 'UPDATE')
               OR has_table_privilege(c.oid, 'DELETE') OR has_table_privilege(c.oid, 'TRUNCATE')))::int AS writable_tables
FROM pg_roles r
WHERE r.rolname = current_user
