-- One constraint as it is now, with all that validating it reads. Nothing here waits for a lock, as asking for its
-- definition would; of a table on which somebody has or wants ACCESS EXCLUSIVE the size is what the catalogue noted.
-- wal_position is the whole server's, in bytes since its beginning.
WITH RECURSIVE locked AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
),
below AS (
    SELECT c.conrelid AS oid
    FROM pg_constraint c
    WHERE c.oid = %(oid)s::bigint::oid
    UNION
    SELECT h.inhrelid
    FROM below b
    JOIN pg_inherits h ON h.inhparent = b.oid
    JOIN pg_constraint c ON c.oid = %(oid)s::bigint::oid
    WHERE NOT c.connoinherit
)
SELECT n.nspname AS schema, t.relname AS "table", c.conname AS name, c.convalidated AS validated,
       md5(concat_ws(' ', c.conrelid, c.contype, c.conkey, c.conbin, c.connoinherit, c.confrelid, c.confkey, c.conpfeqop,
                     c.confmatchtype, c.confupdtype, c.confdeltype, c.condeferrable, c.condeferred)) AS shape,
       (SELECT sum(CASE WHEN b.oid IN (SELECT l.relation FROM locked l)
                        THEN u.relpages::bigint * current_setting('block_size')::int
                        ELSE coalesce(pg_relation_size(b.oid), 0) END)::bigint
        FROM below b
        JOIN pg_class u ON u.oid = b.oid) AS table_bytes,
       pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
WHERE c.oid = %(oid)s::bigint::oid
