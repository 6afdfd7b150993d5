-- Who owns what can be maintained, in every schema but the system's: before PostgreSQL 17 the maintaining role must be a
-- member of each owner; of a superuser nobody is made a member: its tables need another owner first.
SELECT r.rolname AS owner, n.nspname AS schema, r.rolsuper AS superuser, count(*)::int AS tables,
       has_schema_privilege(r.oid, n.oid, 'CREATE') AS creates
FROM pg_class c
JOIN pg_roles r ON r.oid = c.relowner
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'm') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
GROUP BY r.oid, r.rolname, n.oid, n.nspname, r.rolsuper
ORDER BY r.rolname, n.nspname
