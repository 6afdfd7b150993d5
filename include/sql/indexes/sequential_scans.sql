-- G53, advice: large tables that are read from end to end more often than through an index, the most rows read first.
SELECT s.schemaname AS schema, s.relname AS "table", s.n_live_tup AS live_rows, s.seq_scan AS scans,
       s.seq_tup_read AS rows_read, coalesce(s.idx_scan, 0) AS index_scans
FROM pg_stat_all_tables s
WHERE s.n_live_tup >= %(rows)s AND s.seq_scan >= %(scans)s AND s.seq_scan > coalesce(s.idx_scan, 0)
  AND s.schemaname !~ '^pg_' AND s.schemaname <> 'information_schema'
ORDER BY s.seq_tup_read DESC, s.relid
