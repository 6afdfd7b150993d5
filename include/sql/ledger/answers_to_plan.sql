-- All answers to a plan in the order they came, each with what its person was asked (APPROVAL.md, rule 2).
SELECT d.role, d.person, d.action_ids, d.comment, d.responded_at, s.asked, s.action_ids AS shown_ids
FROM upkeep.decisions d
JOIN upkeep.shown s ON s.id = d.shown_id
WHERE d.digest = %(digest)s
ORDER BY d.id
