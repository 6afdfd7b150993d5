-- The chain of signed rows from an entry on, each with its row (none when it is gone) and the signature before it.
SELECT s.place, s.row_id AS id, to_jsonb(s)::text AS sealed, b.signature AS follows,
       (SELECT i.id::text FROM upkeep.identity i) AS ledger, w.content
FROM upkeep.signatures s
LEFT JOIN upkeep.signatures b ON b.entry = s.entry - 1
LEFT JOIN LATERAL (
    SELECT to_jsonb(t)::text AS content FROM upkeep.shown t WHERE s.place = 'shown' AND t.id = s.row_id
    UNION ALL
    SELECT to_jsonb(t)::text FROM upkeep.decisions t WHERE s.place = 'decisions' AND t.id = s.row_id
    UNION ALL
    SELECT to_jsonb(t)::text FROM upkeep.permits t WHERE s.place = 'permits' AND t.id = s.row_id
    UNION ALL
    SELECT to_jsonb(t)::text FROM upkeep.receipts t WHERE s.place = 'receipts' AND t.id = s.row_id
) w ON true
WHERE s.entry >= %(first)s
ORDER BY s.entry
