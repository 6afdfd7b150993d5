-- G26: the next version of a subject's baseline; an action that has written its row writes no other.
INSERT INTO upkeep.baselines (target, subject, version, statement, digest, action_id)
SELECT %(target)s, %(subject)s, coalesce(max(b.version), 0) + 1, %(statement)s, %(digest)s, %(action_id)s
FROM upkeep.baselines b
WHERE b.target = %(target)s AND b.subject = %(subject)s
ON CONFLICT (digest, action_id) DO NOTHING
