-- G21: the same by function, for one slow function vanishes in the mean of all.
SELECT l.function_name,
       count(*) AS requests,
       (100.0 * count(*) FILTER (WHERE l.status >= 500) / count(*))::float8 AS error_rate_percent,
       avg(l.duration_ms)::float8 AS response_time_ms,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY l.duration_ms)::float8 AS response_time_p95_ms
FROM public.application_logs l
WHERE l.created_at >= %(start)s AND l.created_at < %(end)s
GROUP BY l.function_name
ORDER BY requests DESC, l.function_name
