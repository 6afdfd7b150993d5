-- The target's loader and the tests make statistics visible with this function of PostgreSQL 15 and later. Before it, a
-- session reports at the end of a statement when half a second has passed since its last report.
CREATE FUNCTION public.pg_stat_force_next_flush() RETURNS void LANGUAGE sql AS 'SELECT pg_sleep(0.6)'
