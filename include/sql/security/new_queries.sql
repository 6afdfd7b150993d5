-- G76: what is known of this database's statements by pg_stat_statements, the most time first: one row for each id. The
-- role's own are left out, for a check would find itself, and so is what has no id.
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
ORDER BY 3 DESC, 1
