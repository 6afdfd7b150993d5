-- G53, advice: large tables that are read from end to end more often than through an index, the most rows read first. The
-- rows are as counted or as ANALYZE noted: a reset of the counters makes no table small.
SELECT s.schemaname AS schema, s.relname AS "table", greatest(s.n_live_tup, t.reltuples::bigint) AS live_rows,
       s.seq_scan AS scans, s.seq_tup_read AS rows_read, coalesce(s.idx_scan, 0) AS index_scans
FROM pg_stat_all_tables s
JOIN pg_class t ON t.oid = s.relid
WHERE greatest(s.n_live_tup, t.reltuples::bigint) >= %(rows)s
  AND s.seq_scan >= %(scans)s AND s.seq_scan > coalesce(s.idx_scan, 0)
  AND s.schemaname !~ '^pg_' AND s.schemaname <> 'information_schema'
ORDER BY s.seq_tup_read DESC, s.relid
