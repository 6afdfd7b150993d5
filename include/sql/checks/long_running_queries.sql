-- G50: client backends busy or idle in a transaction for too long; idle sessions and ourselves are not queries.
-- The query text is cut and redacted before it leaves this module's caller; without pg_monitor it is NULL.
SELECT a.pid,
       a.usename AS "user",
       a.application_name AS application,
       a.state,
       a.wait_event_type,
       a.wait_event,
       extract(epoch FROM clock_timestamp()
               - CASE WHEN a.state = 'active' THEN a.query_start ELSE a.xact_start END)::float8 AS age_seconds,
       a.query
FROM pg_stat_activity a
WHERE a.backend_type = 'client backend'
  AND a.pid <> pg_backend_pid()
  AND (a.state IS NULL OR a.state <> 'idle')
  AND clock_timestamp() - CASE WHEN a.state = 'active' THEN a.query_start ELSE a.xact_start END
      > make_interval(secs => %(longer_than_seconds)s)
ORDER BY age_seconds DESC
LIMIT 100
