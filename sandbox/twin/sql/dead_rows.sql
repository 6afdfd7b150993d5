-- G9: rows that vacuum has still to remove; tables without live rows count too.
SELECT t.schemaname || '.' || t.relname AS "table", t.n_live_tup AS live_rows, t.n_dead_tup AS dead_rows
FROM pg_catalog.pg_stat_user_tables t
ORDER BY t.n_dead_tup DESC, "table"
