-- G19: every row that claims to put thresholds in force for a target, newest first; "done" has a receipt under a permit.
SELECT t.version, t.metric, t.statement, t.digest, t.action_id, t.in_force_from,
       EXISTS (SELECT FROM upkeep.permits p
               JOIN upkeep.receipts r ON r.permit_id = p.id
               WHERE p.digest = t.digest AND p.action_id = t.action_id AND r.outcome = 'done') AS done
FROM upkeep.thresholds t
WHERE t.target = %(target)s
ORDER BY t.version DESC
