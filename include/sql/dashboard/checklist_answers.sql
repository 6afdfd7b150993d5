-- Whom some windows asked, and what they said: in a plan's form which rows they reviewed (G123-G127), in a month's sheet
-- which tasks they attested (G128-G132). Each belongs to one run, which a report names by its instance: a deleted run has its successor's id.
SELECT DISTINCT ON (s.digest, s.role) p.dag_id, p.run_id, p.instance, s.role, s.action_ids AS asked, d.person,
       d.responded_at, d.decided_at, d.comment, d.reviewed, d.action_ids AS approved
FROM upkeep.shown s
JOIN upkeep.plans p USING (digest)
LEFT JOIN upkeep.decisions d ON (d.digest, d.role) = (s.digest, s.role)
WHERE s.window_id = ANY (%(windows)s) AND p.purpose = %(purpose)s
ORDER BY s.digest, s.role, s.id DESC
