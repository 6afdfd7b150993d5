-- Permits of this target without a receipt: whether their statement ran is to be seen in the catalogue.
SELECT p.id, p.digest, p.action_id, p.attempt, p.permitted_at, p.before, l.body
FROM upkeep.permits p
JOIN upkeep.plans l ON l.digest = p.digest
WHERE l.target = %(target)s AND NOT EXISTS (SELECT FROM upkeep.receipts r WHERE r.permit_id = p.id)
ORDER BY p.id
