-- Whether the guards' session looks at the server that the mutation runs on, and sees other users' sessions there.
SELECT current_user::text AS "role",
       pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS allowed,
       EXISTS (SELECT FROM pg_stat_activity a
               WHERE a.pid = %(pid)s AND (a.backend_start IS NULL OR a.backend_start = %(since)s)) AS same_server
