-- G9, G84: this database's statements with at least this mean time, summed over users; "total" counts all that match.
SELECT count(*) OVER () AS total,
       min(s.query) AS query,
       sum(s.calls)::bigint AS calls,
       (sum(s.total_exec_time) / sum(s.calls))::float8 AS mean_ms,
       sum(s.total_exec_time)::float8 AS total_ms,
       sum(s.rows)::bigint AS rows
FROM public.pg_stat_statements s
WHERE s.dbid = (SELECT d.oid FROM pg_catalog.pg_database d WHERE d.datname = current_database())
  AND s.calls > 0
GROUP BY s.queryid
HAVING sum(s.total_exec_time) / sum(s.calls) >= %(min_duration)s
ORDER BY mean_ms DESC, s.queryid
LIMIT %(limit)s
