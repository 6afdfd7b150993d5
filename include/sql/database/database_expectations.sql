-- G47: how many of the blocks that this database asked for were in shared buffers. G48: idx_scan / (idx_scan +
-- seq_scan) on tables above a row floor; small tables are rightly read without an index. As in pg_stat_user_tables,
-- which would add up the indexes of every table before its rows can be asked for.
WITH large AS MATERIALIZED (
    SELECT c.oid, pg_stat_get_numscans(c.oid) AS seq_scan
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 't', 'm', 'p')
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_toast'
      AND pg_stat_get_live_tuples(c.oid) >= %(row_floor)s
)
SELECT 100.0 * d.blks_hit / nullif(d.blks_hit + d.blks_read, 0) AS cache_hit_ratio,
       (SELECT 100.0 * sum(i.idx_scan) / nullif(sum(i.idx_scan + t.seq_scan), 0)
        FROM large t
        CROSS JOIN LATERAL (SELECT sum(pg_stat_get_numscans(x.indexrelid)) AS idx_scan
                            FROM pg_index x
                            WHERE x.indrelid = t.oid) i) AS index_usage
FROM pg_stat_database d
WHERE d.datname = current_database()
