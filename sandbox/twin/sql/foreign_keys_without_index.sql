-- G20, G85: foreign keys whose columns lead no index, so that each delete on the other side reads the whole table.
SELECT t.schemaname || '.' || t.relname AS "table",
       (SELECT array_agg(a.attname::text ORDER BY k.place)
        FROM unnest(c.conkey) WITH ORDINALITY AS k (number, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.number) AS columns,
       'foreign key ' || c.conname || ' without index' AS reason,
       t.n_live_tup AS live_rows, t.seq_scan AS seq_scans, pg_table_size(t.relid) AS table_bytes
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_stat_user_tables t ON t.relid = c.conrelid
WHERE c.contype = 'f' AND c.conrelid = ANY (%(oids)s)
  AND NOT EXISTS (
      SELECT FROM pg_catalog.pg_index i
      WHERE i.indrelid = c.conrelid AND i.indisvalid AND i.indpred IS NULL AND i.indnkeyatts >= cardinality(c.conkey)
        AND (i.indkey::int2[])[0:cardinality(c.conkey) - 1] @> c.conkey)
ORDER BY "table", c.conname
