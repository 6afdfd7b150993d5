-- Everything that claims to be shown, decided, permitted or done for a plan or sheet, with its signature and that of the
-- entry before; rows without a signature and signatures whose row is gone are among them.
WITH written AS (
    SELECT 'shown' AS place, t.id, to_jsonb(t)::text AS content FROM upkeep.shown t WHERE t.digest = %(digest)s
    UNION ALL
    SELECT 'decisions', t.id, to_jsonb(t)::text FROM upkeep.decisions t WHERE t.digest = %(digest)s
    UNION ALL
    SELECT 'permits', t.id, to_jsonb(t)::text FROM upkeep.permits t WHERE t.digest = %(digest)s
    UNION ALL
    SELECT 'receipts', t.id, to_jsonb(t)::text
    FROM upkeep.receipts t
    JOIN upkeep.permits p ON p.id = t.permit_id
    WHERE p.digest = %(digest)s
), signed AS (
    SELECT w.place, w.id, w.content, s.entry
    FROM written w
    LEFT JOIN upkeep.signatures s ON s.place = w.place AND s.row_id = w.id
    UNION ALL
    SELECT s.place, s.row_id, to_jsonb(r)::text, s.entry
    FROM upkeep.signatures s
    LEFT JOIN upkeep.receipts r ON s.place = 'receipts' AND r.id = s.row_id  -- its permit may be gone
    WHERE s.digest = %(digest)s AND NOT EXISTS (SELECT FROM written w WHERE w.place = s.place AND w.id = s.row_id)
)
SELECT n.place, n.id, n.content, to_jsonb(s)::text AS sealed, b.signature AS follows,
       (SELECT i.id::text FROM upkeep.identity i) AS ledger
FROM signed n
LEFT JOIN upkeep.signatures s ON s.entry = n.entry
LEFT JOIN upkeep.signatures b ON b.entry = n.entry - 1
ORDER BY n.entry NULLS FIRST, n.place, n.id
