-- One constraint as it is now. Nothing here waits for a lock, as asking for its definition would. wal_position is the
-- whole server's, in bytes since its beginning.
SELECT n.nspname AS schema, t.relname AS "table", c.conname AS name, c.convalidated AS validated,
       md5(concat_ws(' ', c.conrelid, c.contype, c.conkey, c.conbin, c.connoinherit, c.confrelid, c.confkey, c.conpfeqop,
                     c.confmatchtype, c.confupdtype, c.confdeltype, c.condeferrable, c.condeferred)) AS shape,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE c.oid = %(oid)s::bigint::oid
