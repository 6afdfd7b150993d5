-- G50: client backends busy or idle in a transaction for too long; idle sessions and ourselves are not queries.
-- `in_all` counts also those beyond the last row. The query text is redacted and cut before it leaves the check. It comes as bytes: a session of a database in
-- another encoding has text that is none in ours. A transaction that failed has no xact_start any more.
SELECT a.pid,
       a.usename AS "user",
       a.application_name AS application,
       a.state,
       a.wait_event_type,
       a.wait_event,
       extract(epoch FROM clock_timestamp() - s.since)::float8 AS age_seconds,
       textsend(a.query) AS query,
       count(*) OVER () AS in_all
FROM pg_stat_activity a
CROSS JOIN LATERAL (
    SELECT CASE WHEN a.state = 'active' THEN a.query_start ELSE coalesce(a.xact_start, a.state_change) END AS since
) s
WHERE a.backend_type = 'client backend'
  AND a.pid <> pg_backend_pid()
  AND (a.state IS NULL OR a.state <> 'idle')
  AND clock_timestamp() - s.since > make_interval(secs => %(longer_than_seconds)s)
ORDER BY age_seconds DESC
LIMIT %(shown)s
