-- Without pg_monitor (or pg_read_all_stats) other users' sessions are hidden in pg_stat_activity.
SELECT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') AS allowed, current_user AS "role",
       current_setting('track_activities')::boolean AS tracked
