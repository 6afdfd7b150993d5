-- Where the chain of signed rows ends, in which ledger, and what time it is there.
SELECT (SELECT i.id::text FROM upkeep.identity i) AS ledger, clock_timestamp() AS signed_at,
       coalesce(max(s.entry), 0) AS entry,
       coalesce((array_agg(s.signature ORDER BY s.entry DESC))[1], '') AS signature
FROM (SELECT entry, signature FROM upkeep.signatures ORDER BY entry DESC LIMIT 1) s
