-- How far our VACUUM or ANALYZE is.
SELECT v.phase, v.heap_blks_scanned AS "done", v.heap_blks_total AS total
FROM pg_stat_progress_vacuum v WHERE v.pid = %(pid)s
UNION ALL
SELECT a.phase, a.sample_blks_scanned, a.sample_blks_total
FROM pg_stat_progress_analyze a WHERE a.pid = %(pid)s
