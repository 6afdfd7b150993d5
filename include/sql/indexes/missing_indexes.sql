-- G53, advice: foreign keys without an index on their columns, those of the largest tables first. Deleting or changing a
-- referenced row then reads the whole table. The columns may stand in the index in any order, but first; a partial index
-- helps only where it leaves out nothing but rows that refer to none. What helps here is never proposed to be dropped
-- (supports_foreign_key.sql). Rows are as counted or as ANALYZE noted: a reset of the counters makes no table small. Whose
-- rows neither knows, though it takes space or somebody has locked it, is "uncounted".
WITH locked AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT c.oid::bigint AS oid, n.nspname AS schema, t.relname AS "table", c.conname AS "constraint", r.relname AS referenced,
       greatest(s.n_live_tup, t.reltuples::bigint) AS live_rows,
       t.reltuples < 0 AND s.n_live_tup = 0
       AND CASE WHEN t.oid IN (SELECT locked.relation FROM locked) THEN true ELSE pg_relation_size(t.oid) > 0 END AS uncounted,
       (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number) AS columns
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_class r ON r.oid = c.confrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_stat_all_tables s ON s.relid = t.oid
WHERE c.contype = 'f' AND t.relkind = 'r'
  -- A key to a partitioned table has one more for each of its partitions, of the same columns.
  AND NOT EXISTS (SELECT FROM pg_constraint p WHERE p.oid = c.conparentid AND p.conrelid = c.conrelid)
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT FROM pg_index x
      CROSS JOIN LATERAL (
          SELECT (string_to_array(x.indkey::text, ' ')::int2[])[1:cardinality(c.conkey)] AS first,
                 substring(x.indpred::text FROM '^[{]NULLTEST .*:varattno (\d+) .*:nulltesttype 1 ')::int2 AS not_null
      ) k
      WHERE x.indrelid = c.conrelid AND x.indisvalid AND (x.indpred IS NULL OR k.not_null = ANY (c.conkey))
        AND x.indnkeyatts >= cardinality(c.conkey) AND k.first @> c.conkey AND k.first <@ c.conkey)
ORDER BY live_rows DESC, c.oid
