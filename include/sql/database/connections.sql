-- G51: client backends by state; the guide's NULL row is background processes, which take no client's slot.
SELECT coalesce(a.state, 'hidden') AS state,
       count(*)::int AS backends
FROM pg_stat_activity a
WHERE a.backend_type = 'client backend' OR a.backend_type IS NULL
GROUP BY 1
ORDER BY 2 DESC, 1
