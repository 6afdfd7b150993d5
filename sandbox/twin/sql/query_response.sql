-- G45: the mean time of this database's statements, weighted by their calls; null when none was counted.
SELECT (sum(s.total_exec_time) / nullif(sum(s.calls), 0))::float8 AS query_response_ms
FROM public.pg_stat_statements s
WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
