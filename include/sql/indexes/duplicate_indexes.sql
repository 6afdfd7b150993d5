-- G53: indexes that do exactly what another one of their table does: the same columns and expressions in the same order,
-- operator classes, collations, directions and predicate. Kept is what a constraint or identity rests on, then what is
-- unique, then what is read most, then the oldest. A unique one goes only beside one that is checked at once and takes
-- NULL the same way.
WITH known AS (
    SELECT x.indexrelid AS oid, x.indrelid, x.indisunique, x.indimmediate, i.relname, n.nspname, i.reltablespace,
           x.indisprimary OR x.indisexclusion OR x.indisreplident OR x.indisclustered OR i.relispartition
           OR i.relkind <> 'i'
           OR EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid)
           OR EXISTS (SELECT FROM pg_depend d
                      WHERE d.classid = 'pg_class'::regclass AND d.objid = i.oid AND d.deptype = 'e') AS needed,
           concat_ws(' / ', i.relam, x.indnkeyatts, x.indkey, x.indclass, x.indcollation, x.indoption) AS keys,
           coalesce(pg_get_expr(x.indexprs, x.indrelid), '') AS expressions,
           coalesce(pg_get_expr(x.indpred, x.indrelid), '') AS predicate,
           coalesce(to_jsonb(x) ->> 'indnullsnotdistinct', 'false') AS nulls_alike,
           s.idx_scan
    FROM pg_index x
    JOIN pg_class i ON i.oid = x.indexrelid
    JOIN pg_namespace n ON n.oid = i.relnamespace
    JOIN pg_stat_all_indexes s ON s.indexrelid = i.oid
    WHERE x.indisvalid AND x.indisready AND i.relpersistence <> 't'
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
),
ranked AS (
    SELECT k.*,
           row_number() OVER same AS place,
           first_value(k.oid) OVER same AS kept_oid,
           first_value(k.relname) OVER same AS kept,
           first_value(k.indisunique AND k.indimmediate) OVER same AS kept_unique,
           first_value(k.nulls_alike) OVER same AS kept_nulls_alike
    FROM known k
    WINDOW same AS (PARTITION BY k.indrelid, k.keys, k.expressions, k.predicate
                    ORDER BY k.needed DESC, k.indisunique DESC, k.indimmediate DESC, k.idx_scan DESC, k.oid)
),
locked AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT r.oid::bigint AS oid, r.nspname AS schema, r.relname AS "index", t.relname AS "table",
       CASE WHEN r.oid IN (SELECT locked.relation FROM locked) THEN 0 ELSE pg_relation_size(r.oid) END AS bytes,
       r.idx_scan AS scans,
       pg_get_indexdef(r.oid) AS definition,
       (SELECT p.spcname FROM pg_tablespace p WHERE p.oid = r.reltablespace) AS tablespace,
       r.kept_oid::bigint AS kept_oid, r.kept
FROM ranked r
JOIN pg_class t ON t.oid = r.indrelid
WHERE r.place > 1 AND NOT r.needed
  AND (NOT r.indisunique OR (r.kept_unique AND r.kept_nulls_alike = r.nulls_alike))
ORDER BY bytes DESC, r.oid
