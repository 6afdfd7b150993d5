-- G101: collations whose order on this machine is another version than the one that indexes were built by. Before PostgreSQL
-- 15 a database does not say which version of its own collation it was built by.
SELECT format('%I.%I', n.nspname, c.collname) AS name, c.collversion AS built_by,
       pg_collation_actual_version(c.oid) AS here
FROM pg_collation c
JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE c.collversion IS NOT NULL AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
ORDER BY 1
