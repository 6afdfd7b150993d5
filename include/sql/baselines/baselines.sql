-- G26: every row that claims to put a baseline in force for a target, of one subject or ("") all, newest first.
SELECT b.subject, b.version, b.statement, b.digest, b.action_id, b.in_force_from
FROM upkeep.baselines b
WHERE b.target = %(target)s AND %(only)s IN ('', b.subject)
ORDER BY b.subject, b.version DESC
