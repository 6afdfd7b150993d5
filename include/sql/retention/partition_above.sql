-- G15: what a partition is below, up to the root: the log, and what that may be below itself.
SELECT a.relid::oid::bigint AS oid FROM pg_partition_ancestors(%(oid)s) a WHERE a.relid <> %(oid)s
