-- Which of these tables are partitions, and of which partitioned table at the top.
SELECT c.oid::bigint AS oid, n.nspname AS schema, r.relname AS "table"
FROM unnest(%(oids)s::bigint[]) AS w (oid)
JOIN pg_class c ON c.oid = w.oid::oid AND c.relispartition
JOIN pg_class r ON r.oid = pg_partition_root(c.oid)
JOIN pg_namespace n ON n.oid = r.relnamespace
