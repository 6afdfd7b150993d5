-- What people were asked and no role has answered: of each task's tries the last one, while an answer could still count
-- and its run has written no report.
SELECT DISTINCT ON (s.digest, s.role, s.task_id, s.map_index)
       s.dag_id, s.run_id, s.task_id, s.map_index, s.role, s.action_ids, s.asked, s.shown_at, s.digest,
       p.target, p.purpose, p.body, p.not_after
FROM upkeep.shown s
JOIN upkeep.plans p USING (digest)
WHERE p.target = ANY (%(targets)s) AND p.not_after > %(now)s
  AND NOT EXISTS (SELECT FROM upkeep.decisions d WHERE (d.digest, d.role) = (s.digest, s.role))
  AND NOT EXISTS (
      SELECT FROM upkeep.reports r
      WHERE (r.dag_id, r.run_id, r.instance) = (s.dag_id, s.run_id, s.instance) AND r.made_at > s.shown_at
  )
ORDER BY s.digest, s.role, s.task_id, s.map_index, s.id DESC
