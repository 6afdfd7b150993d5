-- How far our VACUUM, ANALYZE or rebuild of an index is.
SELECT v.phase, v.heap_blks_scanned AS "done", v.heap_blks_total AS total
FROM pg_stat_progress_vacuum v WHERE v.pid = %(pid)s
UNION ALL
SELECT a.phase, a.sample_blks_scanned, a.sample_blks_total
FROM pg_stat_progress_analyze a WHERE a.pid = %(pid)s
UNION ALL
SELECT i.phase, i.blocks_done, i.blocks_total
FROM pg_stat_progress_create_index i WHERE i.pid = %(pid)s
