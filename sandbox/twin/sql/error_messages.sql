-- G10: the ten most frequent messages of the period.
SELECT e.message, count(*) AS "count"
FROM public.error_logs e
WHERE e."timestamp" >= %(start)s AND e."timestamp" < %(end)s
GROUP BY e.message
ORDER BY "count" DESC, e.message
LIMIT 10
