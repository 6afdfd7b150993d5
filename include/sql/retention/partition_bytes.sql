-- G15: how large a partition is on disk, with its indexes: what the export of all of it reads is less.
SELECT coalesce(pg_total_relation_size(%(oid)s::oid::regclass), 0)::bigint AS bytes
