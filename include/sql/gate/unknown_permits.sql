-- Plans of this target with a permit that has no receipt: whether its statement ran is to be seen in the catalogue. A
-- permit that nobody signed is none.
SELECT l.digest, l.body
FROM upkeep.plans l
WHERE l.target = %(target)s
  AND EXISTS (SELECT FROM upkeep.permits p
              JOIN upkeep.signatures s ON s.place = 'permits' AND s.row_id = p.id
              WHERE p.digest = l.digest AND NOT EXISTS (SELECT FROM upkeep.receipts r WHERE r.permit_id = p.id))
ORDER BY l.id
