-- G21: the same by hour or day; a bucket without requests is a row too, for a silence is a trend.
SELECT b.start,
       count(l.id) AS requests,
       (100.0 * count(l.id) FILTER (WHERE l.status >= 500) / nullif(count(l.id), 0))::float8 AS error_rate_percent,
       avg(l.duration_ms)::float8 AS response_time_ms
FROM generate_series(date_trunc(%(bucket)s, %(start)s::timestamptz), %(end)s::timestamptz - interval '1 microsecond',
                     ('1 ' || %(bucket)s)::interval) AS b (start)
LEFT JOIN public.application_logs l
       ON l.created_at >= greatest(b.start, %(start)s)
      AND l.created_at < least(b.start + ('1 ' || %(bucket)s)::interval, %(end)s)
GROUP BY b.start
ORDER BY b.start
