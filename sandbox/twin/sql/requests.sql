-- G33, G34: what users met in the period, of one function or of all: requests, the share answered with 5xx, durations.
SELECT count(*) AS requests,
       (100.0 * count(*) FILTER (WHERE l.status >= 500) / nullif(count(*), 0))::float8 AS error_rate_percent,
       avg(l.duration_ms)::float8 AS response_time_ms,
       percentile_cont(0.95) WITHIN GROUP (ORDER BY l.duration_ms)::float8 AS response_time_p95_ms
FROM public.application_logs l
WHERE l.created_at >= %(start)s AND l.created_at < %(end)s
  AND (%(function)s::text IS NULL OR l.function_name = %(function)s)
