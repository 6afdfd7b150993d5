-- G101: collations whose order on this machine is another version than the one that indexes were built by.
SELECT quote_ident(d.datname) AS name, d.datcollversion AS built_by, pg_database_collation_actual_version(d.oid) AS here
FROM pg_database d
WHERE d.datname = current_database() AND d.datcollversion IS DISTINCT FROM pg_database_collation_actual_version(d.oid)
