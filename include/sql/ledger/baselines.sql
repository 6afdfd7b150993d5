-- G26: every row that claims to put a baseline in force for a target, of one subject or ("") all, newest first; "done"
-- has a receipt under a permit.
SELECT b.subject, b.version, b.statement, b.digest, b.action_id, b.in_force_from,
       EXISTS (SELECT FROM upkeep.permits p
               JOIN upkeep.receipts r ON r.permit_id = p.id
               WHERE p.digest = b.digest AND p.action_id = b.action_id AND r.outcome = 'done') AS done
FROM upkeep.baselines b
WHERE b.target = %(target)s AND %(only)s IN ('', b.subject)
ORDER BY b.subject, b.version DESC
