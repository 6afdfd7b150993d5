-- G19: the next version of a target's thresholds; an action that has written its row writes no other.
INSERT INTO upkeep.thresholds (target, version, metric, statement, digest, action_id)
SELECT %(target)s, coalesce(max(t.version), 1) + 1, %(subject)s, %(statement)s, %(digest)s, %(action_id)s
FROM upkeep.thresholds t
WHERE t.target = %(target)s
ON CONFLICT (digest, action_id) DO NOTHING
