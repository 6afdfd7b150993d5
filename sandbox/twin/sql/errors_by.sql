-- G10: the period's errors counted once for each way of looking at them, and in all, in one pass.
SELECT CASE GROUPING(e.category, e.severity, e.function_name)
            WHEN 3 THEN 'category' WHEN 5 THEN 'severity' WHEN 6 THEN 'function' ELSE 'all' END AS dimension,
       coalesce(e.category, e.severity, e.function_name, '') AS value,
       count(*) AS errors
FROM public.error_logs e
WHERE e."timestamp" >= %(start)s AND e."timestamp" < %(end)s
GROUP BY GROUPING SETS ((e.category), (e.severity), (e.function_name), ())
ORDER BY dimension, errors DESC, value
