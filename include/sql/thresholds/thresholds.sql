-- G19: every row that claims to put thresholds in force for a target, newest first.
SELECT t.version, t.metric, t.statement, t.digest, t.action_id, t.in_force_from
FROM upkeep.thresholds t
WHERE t.target = %(target)s
ORDER BY t.version DESC
