-- All answers to a plan, in the order they came.
SELECT d.role, d.person, d.action_ids, d.reviewed, d.comment, d.responded_at
FROM upkeep.decisions d
WHERE d.digest = %(digest)s
ORDER BY d.id
