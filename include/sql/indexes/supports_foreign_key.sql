-- G53: by which of some indexes a foreign key of their table finds its rows when a referenced row is deleted or changed:
-- their first columns are those of the key, in any order, or, where they have fewer, all among them. Nobody looks up a
-- null, so that WHERE a IS NOT NULL takes nothing away, as any other predicate does. Catalogue only: nothing here waits.
SELECT x.indexrelid::bigint AS oid, array_agg(c.conname::text ORDER BY c.oid) AS constraints
FROM pg_index x
JOIN pg_constraint c ON c.conrelid = x.indrelid AND c.contype = 'f'
WHERE x.indexrelid = ANY (%(oids)s::bigint[]::oid[])
  AND (string_to_array(x.indkey::text, ' ')::int2[])[1:least(x.indnkeyatts, cardinality(c.conkey))] <@ c.conkey
  AND (x.indpred IS NULL OR x.indpred::text ~ '^[{]NULLTEST .*:nulltesttype 1 ')
GROUP BY x.indexrelid
