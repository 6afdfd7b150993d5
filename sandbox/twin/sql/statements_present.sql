-- G9, G45, G84: without the extension nothing is known about statements; that is null, not zero.
SELECT to_regclass('public.pg_stat_statements') IS NOT NULL AS present
