-- G9: since when pg_stat_statements has counted.
SELECT i.stats_reset FROM public.pg_stat_statements_info i
