-- G22: the period's errors by hour or day and severity; a bucket without errors is a row too.
SELECT b.start, e.severity, count(e.id) AS errors
FROM generate_series(date_trunc(%(bucket)s, %(start)s::timestamptz), %(end)s::timestamptz - interval '1 microsecond',
                     ('1 ' || %(bucket)s)::interval) AS b (start)
LEFT JOIN public.error_logs e
       ON e."timestamp" >= greatest(b.start, %(start)s)
      AND e."timestamp" < least(b.start + ('1 ' || %(bucket)s)::interval, %(end)s)
GROUP BY b.start, e.severity
ORDER BY b.start, e.severity
