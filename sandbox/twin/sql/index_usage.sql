-- G48: idx_scan / (idx_scan + seq_scan) on tables above the row floor; null when none of them was scanned.
SELECT (100.0 * sum(t.idx_scan) / nullif(sum(coalesce(t.idx_scan, 0) + t.seq_scan), 0))::float8 AS index_usage_percent
FROM pg_catalog.pg_stat_user_tables t
WHERE t.n_live_tup >= %(row_floor)s
