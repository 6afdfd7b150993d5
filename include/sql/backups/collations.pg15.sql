-- G101: collations whose order on this machine is another version than the one that indexes were built by: the database's
-- own first, then those with a name.
SELECT quote_ident(d.datname) AS name, d.datcollversion AS built_by, pg_database_collation_actual_version(d.oid) AS here
FROM pg_database d
WHERE d.datname = current_database() AND d.datcollversion IS DISTINCT FROM pg_database_collation_actual_version(d.oid)
UNION ALL
SELECT format('%I.%I', n.nspname, c.collname), c.collversion, pg_collation_actual_version(c.oid)
FROM pg_collation c
JOIN pg_namespace n ON n.oid = c.collnamespace
WHERE c.collversion IS NOT NULL AND c.collversion IS DISTINCT FROM pg_collation_actual_version(c.oid)
