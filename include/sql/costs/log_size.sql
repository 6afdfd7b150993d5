-- G30: what a log takes on disk with its indexes, all partitions together, and how many blocks its rows have.
SELECT coalesce(sum(pg_total_relation_size(p.relid)), 0)::bigint AS bytes,
       coalesce(sum(pg_relation_size(p.relid)), 0)::bigint / current_setting('block_size')::int AS blocks
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (SELECT t.relid FROM pg_partition_tree(c.oid) t
                    UNION SELECT c.oid) p
WHERE n.nspname = %(schema)s AND c.relname = %(table)s
