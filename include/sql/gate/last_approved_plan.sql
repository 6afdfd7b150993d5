-- The newest plan before another one on a target that people said yes to, once it was tried or its time was over.
SELECT p.digest
FROM upkeep.plans p
WHERE p.purpose = 'plan' AND p.target = %(target)s AND p.digest <> %(digest)s AND p.planned_at < %(planned_at)s
  AND EXISTS (SELECT FROM upkeep.decisions d WHERE d.digest = p.digest AND d.action_ids <> '{}')
  AND (p.not_after <= %(planned_at)s OR EXISTS (SELECT FROM upkeep.permits t WHERE t.digest = p.digest))
ORDER BY p.id DESC
LIMIT 1
