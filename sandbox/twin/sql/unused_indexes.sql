-- G20, G85: indexes that were never scanned, except those that hold a key, a constraint or a replica identity.
SELECT s.schemaname || '.' || s.relname AS "table", s.indexrelname AS index, pg_relation_size(s.indexrelid) AS size_bytes
FROM pg_catalog.pg_stat_user_indexes s
JOIN pg_catalog.pg_index i ON i.indexrelid = s.indexrelid
WHERE s.relid = ANY (%(oids)s) AND s.idx_scan = 0
  AND NOT i.indisunique AND NOT i.indisreplident
  AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint c WHERE c.conindid = s.indexrelid)
ORDER BY size_bytes DESC, "table", index
