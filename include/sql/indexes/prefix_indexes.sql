-- G53: plain indexes whose columns are the first ones of a longer index of their table. The longer one can answer their
-- queries, but is larger, so that dropping the short one is for people to weigh: advice only.
SELECT i.oid::bigint AS oid, n.nspname AS schema, i.relname AS "index", t.relname AS "table", longer.relname AS longer
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
JOIN pg_am a ON a.oid = i.relam AND a.amname = 'btree'
CROSS JOIN LATERAL (
    SELECT j.relname
    FROM pg_index y
    JOIN pg_class j ON j.oid = y.indexrelid
    WHERE y.indrelid = x.indrelid AND y.indexrelid <> x.indexrelid AND j.relam = i.relam
      AND y.indisvalid AND y.indexprs IS NULL
      AND coalesce(pg_get_expr(y.indpred, y.indrelid), '') = coalesce(pg_get_expr(x.indpred, x.indrelid), '')
      AND y.indnkeyatts > x.indnatts
      AND starts_with(y.indkey::text, x.indkey::text || ' ')
      AND starts_with(y.indclass::text, x.indclass::text || ' ')
      AND starts_with(y.indcollation::text, x.indcollation::text || ' ')
      AND starts_with(y.indoption::text, x.indoption::text || ' ')
    ORDER BY y.indexrelid
    LIMIT 1
) longer
WHERE x.indisvalid AND x.indexprs IS NULL AND x.indnkeyatts = x.indnatts
  AND NOT (x.indisunique OR x.indisprimary OR x.indisexclusion OR x.indisreplident OR x.indisclustered)
  AND i.relkind = 'i' AND NOT i.relispartition AND i.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid)
ORDER BY i.relpages DESC, i.oid
