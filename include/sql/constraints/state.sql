-- One constraint as it is now. wal_position is the whole server's, in bytes since its beginning.
SELECT n.nspname AS schema, t.relname AS "table", c.conname AS name, c.convalidated AS validated,
       md5(pg_get_constraintdef(c.oid) || ' ' || c.conrelid) AS shape,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE c.oid = %(oid)s::bigint::oid
