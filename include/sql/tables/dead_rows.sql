-- G52, G54, G59: tables whose dead rows or changes since the last ANALYZE exceed config, worst first, with their size
-- and a fingerprint of their columns. Division by all rows, so that a table without a live row is not hidden.
-- Where rows were measured (%(oids)s, %(live)s, %(dead)s) the counters cannot make them fewer: a reset empties those.
-- Asking for a size waits for ACCESS EXCLUSIVE; where somebody has or wants that, what the catalogue noted must do.
WITH measured AS (
    SELECT c.oid, n.nspname, c.relname, greatest(s.n_live_tup, k.live) AS live, greatest(s.n_dead_tup, k.dead) AS dead,
           s.n_mod_since_analyze AS changed,
           s.n_tup_upd AS updates, s.n_tup_hot_upd AS hot_updates, s.n_tup_del AS deletes, c.relpages, c.relallvisible
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_stat_all_tables s ON s.relid = c.oid
    LEFT JOIN unnest(%(oids)s::bigint[], %(live)s::bigint[], %(dead)s::bigint[]) AS k (oid, live, dead)
        ON k.oid::oid = c.oid
    WHERE c.relkind IN ('r', 'm') AND c.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
),
judged AS (
    SELECT m.*,
           m.dead >= %(rows)s AND 100.0 * m.dead >= %(dead_percent)s * (m.live + m.dead) AS vacuum,
           m.changed >= %(rows)s AND 100.0 * m.changed >= %(changed_percent)s * greatest(m.live, 1) AS "analyze"
    FROM measured m
),
locked AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT j.oid::bigint AS oid, j.nspname AS schema, j.relname AS "table", j.vacuum,
       j.live AS live_rows, j.dead AS dead_rows, j.changed AS changed_rows,
       j.updates, j.hot_updates, j.deletes, j.relallvisible AS visible_pages,
       CASE WHEN j.oid IN (SELECT locked.relation FROM locked)
            THEN j.relpages::bigint * current_setting('block_size')::int
            ELSE pg_table_size(j.oid) END AS table_bytes,
       (SELECT coalesce(sum(i.relpages::bigint), 0) * current_setting('block_size')::int
        FROM pg_index x
        JOIN pg_class i ON i.oid = x.indexrelid
        WHERE x.indrelid = j.oid)::bigint AS index_bytes,
       (SELECT md5(string_agg(format('%%s %%s %%s', a.attnum, a.attname, a.atttypid), ',' ORDER BY a.attnum))
        FROM pg_attribute a WHERE a.attrelid = j.oid AND a.attnum > 0 AND NOT a.attisdropped) AS shape,
       count(*) OVER () AS candidates
FROM judged j
WHERE (j.vacuum OR j."analyze") AND NOT j.oid = ANY (%(taken)s::bigint[]::oid[])
ORDER BY j.vacuum DESC, j.dead DESC, j.changed DESC, j.oid
LIMIT %(most)s
