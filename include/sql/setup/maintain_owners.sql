-- Whose tables lie in schema public: before PostgreSQL 17 the maintaining role must be a member of each.
SELECT r.rolname AS owner
FROM pg_class c
JOIN pg_roles r ON r.oid = c.relowner
WHERE c.relnamespace = to_regnamespace('public') AND c.relkind IN ('r', 'p', 'm')
GROUP BY r.rolname
ORDER BY r.rolname
