-- G53, advice: foreign keys of large tables without an index on their columns. Deleting or changing a referenced row then
-- reads the whole table. The columns may stand in the index in any order, but first; a partial index does not help.
SELECT n.nspname AS schema, t.relname AS "table", c.conname AS "constraint", r.relname AS referenced,
       s.n_live_tup AS live_rows,
       (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number) AS columns
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_class r ON r.oid = c.confrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN pg_stat_all_tables s ON s.relid = t.oid
WHERE c.contype = 'f' AND t.relkind = 'r' AND s.n_live_tup >= %(rows)s
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (
      SELECT FROM pg_index x
      CROSS JOIN LATERAL (SELECT (string_to_array(x.indkey::text, ' ')::int2[])[1:cardinality(c.conkey)] AS first) k
      WHERE x.indrelid = c.conrelid AND x.indisvalid AND x.indpred IS NULL
        AND x.indnkeyatts >= cardinality(c.conkey) AND k.first @> c.conkey AND k.first <@ c.conkey)
ORDER BY s.n_live_tup DESC, c.oid
