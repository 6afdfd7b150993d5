-- G47: how many of the blocks that this database asked for were in shared buffers; null before the first one.
SELECT (100.0 * d.blks_hit / nullif(d.blks_hit + d.blks_read, 0))::float8 AS cache_hit_ratio_percent
FROM pg_catalog.pg_stat_database d
WHERE d.datname = current_database()
