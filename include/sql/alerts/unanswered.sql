-- What roles were asked and have not answered: plans and sheets of a target, with the first time each role was asked,
-- whether their run has written a report, and whether a later window of the cadence has asked anew (one that asks nobody, such as a dry run, has not).
SELECT DISTINCT ON (s.digest, s.role)
       s.dag_id, s.run_id, s.instance, s.role, s.action_ids, s.shown_at, s.digest, w.cadence, p.purpose, p.body,
       EXISTS (
           SELECT FROM upkeep.reports r WHERE (r.dag_id, r.run_id, r.instance) = (s.dag_id, s.run_id, s.instance)
       ) AS reported,
       EXISTS (
           SELECT FROM upkeep.windows n
           JOIN upkeep.plans q ON q.window_id = n.id AND q.purpose = p.purpose
           WHERE (n.target, n.cadence) = (w.target, w.cadence) AND n.due > w.due
       ) AS asked_anew
FROM upkeep.shown s
JOIN upkeep.plans p USING (digest)
JOIN upkeep.windows w ON w.id = s.window_id
WHERE p.target = %(target)s AND p.not_after > %(after)s
      AND NOT EXISTS (SELECT FROM upkeep.decisions d WHERE (d.digest, d.role) = (s.digest, s.role))
ORDER BY s.digest, s.role, s.id
