-- G54: tables that the catalogue says have rows and whose counters know none, dead or alive: since they were reset, since a
-- crash, or because nothing is counted (track_counts). "No dead rows" is not known of these until ANALYZE.
SELECT n.nspname || '.' || c.relname AS name, count(*) OVER () AS in_all,
       current_setting('track_counts')::boolean AS tracked
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND c.reltuples >= %(rows)s
  AND pg_stat_get_live_tuples(c.oid) = 0 AND pg_stat_get_dead_tuples(c.oid) = 0
ORDER BY c.reltuples DESC, c.oid
LIMIT 5
