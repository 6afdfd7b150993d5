-- G53: indexes that queries on this server have used. On a standby they count what is read there, by the same OIDs.
SELECT s.indexrelid::bigint AS oid
FROM pg_stat_all_indexes s
WHERE s.idx_scan > 0 AND s.schemaname !~ '^pg_'
