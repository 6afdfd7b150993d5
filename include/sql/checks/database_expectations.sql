-- G47: how many of the blocks that this database asked for were in shared buffers. G48: idx_scan / (idx_scan +
-- seq_scan) on tables above a row floor; small tables are rightly read without an index.
SELECT 100.0 * d.blks_hit / nullif(d.blks_hit + d.blks_read, 0) AS cache_hit_ratio,
       (SELECT 100.0 * sum(t.idx_scan) / nullif(sum(t.idx_scan + t.seq_scan), 0)
        FROM pg_stat_user_tables t
        WHERE t.n_live_tup >= %(row_floor)s) AS index_usage
FROM pg_stat_database d
WHERE d.datname = current_database()
