-- The plan whose action runs on a target at this moment: permitted, without a receipt. An old permit without one is of
-- an action whose end nobody knows; it explains nothing that is seen half a day later.
SELECT p.digest
FROM upkeep.permits m
JOIN upkeep.plans p ON p.digest = m.digest
WHERE p.target = %(target)s AND m.permitted_at > %(now)s - interval '12 hours'
      AND NOT EXISTS (SELECT FROM upkeep.receipts r WHERE r.permit_id = m.id)
ORDER BY m.id DESC
LIMIT 1
