-- G20, G85: tables above the row floor that are read whole at least 100 times and more often than by an index.
SELECT t.schemaname || '.' || t.relname AS "table",
       'read whole ' || t.seq_scan || ' times, by an index ' || coalesce(t.idx_scan, 0) || ' times' AS reason,
       t.n_live_tup AS live_rows, t.seq_scan AS seq_scans, pg_table_size(t.relid) AS table_bytes
FROM pg_catalog.pg_stat_user_tables t
WHERE t.relid = ANY (%(oids)s)
  AND t.n_live_tup >= %(row_floor)s AND t.seq_scan >= 100 AND t.seq_scan > coalesce(t.idx_scan, 0)
ORDER BY t.seq_scan DESC, "table"
