-- The last thing that one task asked, with the plan or sheet that it is about, and the role's answer where there is one.
SELECT s.dag_id, s.run_id, s.instance, s.task_id, s.map_index, s.role, s.action_ids, s.asked, s.shown_at, s.digest,
       p.target, p.purpose, p.body, p.measured, p.checklist, p.not_after,
       d.person, d.responded_at, d.comment, d.action_ids AS approved
FROM upkeep.shown s
JOIN upkeep.plans p USING (digest)
LEFT JOIN upkeep.decisions d ON (d.digest, d.role) = (s.digest, s.role)
WHERE s.dag_id = %(dag_id)s AND s.run_id = %(run_id)s AND s.task_id = %(task_id)s AND s.map_index = -1
  AND p.target = ANY (%(targets)s)
ORDER BY s.id DESC
LIMIT 1
