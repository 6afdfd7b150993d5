-- G45: mean execution time of this database's statements since the statistics were reset, weighted by calls.
SELECT sum(s.total_exec_time) / nullif(sum(s.calls), 0) AS query_response
FROM {schema}.pg_stat_statements s
WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
