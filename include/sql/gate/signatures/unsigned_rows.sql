-- Rows without a signature; "before" are those that were there when the ledger began to sign its rows.
SELECT w.place, w.id, coalesce(w.id <= b.last_id, false) AS before
FROM (
    SELECT 'shown' AS place, id FROM upkeep.shown
    UNION ALL SELECT 'decisions', id FROM upkeep.decisions
    UNION ALL SELECT 'permits', id FROM upkeep.permits
    UNION ALL SELECT 'receipts', id FROM upkeep.receipts
) w
LEFT JOIN upkeep.before_signatures b ON b.place = w.place
WHERE NOT EXISTS (SELECT FROM upkeep.signatures s WHERE s.place = w.place AND s.row_id = w.id)
ORDER BY w.place, w.id
