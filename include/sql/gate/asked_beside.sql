-- Runs that ask people for the work that this one is about to ask for: a run by hand for a window that was missed, the
-- late run of such a window for one by hand. A run that has asked something itself goes on.
SELECT w.dag_id, w.run_id, p.instance, min(p.planned_at) AS since
FROM upkeep.windows w
JOIN upkeep.plans p ON p.window_id = w.id AND (p.dag_id, p.run_id) = (w.dag_id, w.run_id)
WHERE w.target = %(target)s AND w.cadence = %(cadence)s AND w.kind <> %(kind)s
  AND w.opened_at >= CASE w.kind WHEN 'manual' THEN %(due)s ELSE w.deadline END
  AND NOT EXISTS (
      SELECT FROM upkeep.plans mine
      WHERE (mine.dag_id, mine.run_id, mine.instance) = (%(dag_id)s, %(run_id)s, %(instance)s)
  )
GROUP BY w.dag_id, w.run_id, p.instance
ORDER BY since DESC
