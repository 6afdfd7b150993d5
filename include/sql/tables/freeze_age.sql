-- G13: how far tables are from being frozen by force, in percent of the age at which autovacuum does that whatever else
-- is set; a table may lower its own limit. TOAST tables count under the table they belong to. Frozen before that age, at
-- a quiet hour, the work is ours to place; far above it autovacuum does not keep up, and at two billion writing stops.
WITH aged AS (
    SELECT coalesce(o.oid, c.oid) AS oid,
           age(c.relfrozenxid) AS xid_age, mxid_age(c.relminmxid) AS mxid_age,
           least(current_setting('autovacuum_freeze_max_age')::bigint,
                 (SELECT p.option_value::bigint FROM pg_options_to_table(c.reloptions) p
                  WHERE p.option_name = 'autovacuum_freeze_max_age')) AS xid_limit,
           least(current_setting('autovacuum_multixact_freeze_max_age')::bigint,
                 (SELECT p.option_value::bigint FROM pg_options_to_table(c.reloptions) p
                  WHERE p.option_name = 'autovacuum_multixact_freeze_max_age')) AS mxid_limit
    FROM pg_class c
    LEFT JOIN pg_class o ON o.reltoastrelid = c.oid AND c.relkind = 't'
    WHERE c.relkind IN ('r', 'm', 't') AND c.relfrozenxid <> '0'
),
worst AS (
    SELECT a.oid, max(a.xid_age) AS xid_age, max(a.mxid_age) AS mxid_age,
           max(greatest(100.0 * a.xid_age / a.xid_limit, 100.0 * a.mxid_age / a.mxid_limit)) AS percent
    FROM aged a
    GROUP BY a.oid
)
SELECT 'table' AS kind, n.nspname AS schema, c.relname AS name,
       w.xid_age::bigint AS xid_age, w.mxid_age::bigint AS mxid_age, w.percent::float8 AS percent
FROM worst w
JOIN pg_class c ON c.oid = w.oid
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE w.percent >= %(percent)s
UNION ALL
SELECT 'database', '', d.datname, age(d.datfrozenxid)::bigint, mxid_age(d.datminmxid)::bigint,
       greatest(100.0 * age(d.datfrozenxid) / current_setting('autovacuum_freeze_max_age')::bigint,
                100.0 * mxid_age(d.datminmxid)
                / current_setting('autovacuum_multixact_freeze_max_age')::bigint)::float8
FROM pg_database d
ORDER BY kind, percent DESC, name
