-- G53: indexes that have the name of what REINDEX CONCURRENTLY leaves behind when it ends early, and are none: a leftover
-- is invalid. "free" says whether the name without its end is.
SELECT n.nspname AS schema, i.relname AS "index", t.relname AS "table", s.idx_scan AS scans, b.base,
       NOT EXISTS (SELECT FROM pg_class o WHERE o.relnamespace = i.relnamespace AND o.relname = b.base) AS free
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
LEFT JOIN pg_stat_all_indexes s ON s.indexrelid = i.oid
CROSS JOIN LATERAL (SELECT regexp_replace(i.relname, '_cc(new|old)[0-9]*$', '') AS base) b
WHERE i.relname ~ '._cc(new|old)[0-9]*$' AND x.indisvalid AND i.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY i.oid
