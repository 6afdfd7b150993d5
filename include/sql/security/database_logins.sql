-- G81: the roles that may log in, with their sessions in this database now: first those that pass other permissions or
-- whose password is no longer valid, then those with most sessions. PostgreSQL keeps no time of a login but that.
WITH roles AS (
    SELECT r.rolname::text AS "role",
           concat_ws(', ', CASE WHEN r.rolsuper THEN 'superuser' END, CASE WHEN r.rolbypassrls THEN 'bypassrls' END,
                     CASE WHEN r.rolcreaterole THEN 'createrole' END) AS powers,
           coalesce(r.rolvaliduntil < now(), false) AS expired,
           count(a.pid) AS sessions,
           count(DISTINCT a.client_addr) AS addresses,
           min(host(a.client_addr)) AS address,
           min(a.backend_start) AS since
    FROM pg_roles r
    LEFT JOIN pg_stat_activity a ON a.usesysid = r.oid AND a.datname = current_database()
                                    AND a.backend_type = 'client backend' AND a.client_addr IS NOT NULL
    WHERE r.rolcanlogin
    GROUP BY r.oid, r.rolname, r.rolsuper, r.rolbypassrls, r.rolcreaterole, r.rolvaliduntil
),
judged AS (
    SELECT r.*, r.sessions > 0 AND (r.powers <> '' OR r.expired) AS told FROM roles r
)
SELECT j.*,
       count(*) OVER () AS roles,
       count(*) FILTER (WHERE j.sessions > 0) OVER () AS active,
       (sum(j.sessions) OVER ())::bigint AS all_sessions,
       count(*) FILTER (WHERE j.told) OVER () AS all_told
FROM judged j
ORDER BY j.told DESC, j.sessions DESC, j."role"
LIMIT %(shown)s
