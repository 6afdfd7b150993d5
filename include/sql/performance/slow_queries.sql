-- G84: this database's statements that take long on average by pg_stat_statements, the most time in all first: one row
-- for each id. The role's own are left out as elsewhere; `in_all` counts also those beyond the last row.
WITH counted AS (
    SELECT s.queryid::text AS id,
           sum(s.calls)::bigint AS calls,
           sum(s.total_exec_time) AS milliseconds,
           array_agg(DISTINCT pg_get_userbyid(s.userid)::text) AS users,
           left(min(s.query), %(characters)s) AS query
    FROM {schema}.pg_stat_statements s
    WHERE s.dbid = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
      AND s.userid <> (SELECT r.oid FROM pg_roles r WHERE r.rolname = current_user)
      AND s.queryid IS NOT NULL
    GROUP BY s.queryid
)
SELECT c.id, c.calls, c.milliseconds, c.milliseconds / c.calls AS mean_ms, c.users, c.query, count(*) OVER () AS in_all
FROM counted c
WHERE c.calls > 0 AND c.milliseconds >= %(mean_ms)s * c.calls
ORDER BY c.milliseconds DESC, c.id
LIMIT %(most)s
