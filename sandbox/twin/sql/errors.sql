-- G69: the period's errors that pass the filters, newest first; "total" counts those beyond the limit too.
SELECT count(*) OVER () AS total,
       e.id, e."timestamp", e.function_name, e.category, e.severity, e.message,
       host(e.ip_address) AS ip_address, e.resolved
FROM public.error_logs e
WHERE e."timestamp" >= %(start)s AND e."timestamp" < %(end)s
  AND (%(category)s::text IS NULL OR e.category = %(category)s)
  AND (%(severity)s::text IS NULL OR e.severity = %(severity)s)
ORDER BY e."timestamp" DESC, e.id DESC
LIMIT %(limit)s
