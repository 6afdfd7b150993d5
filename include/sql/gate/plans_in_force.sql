-- Plans of other runs on this target whose time is not over: what they may still do is not planned again.
SELECT digest, body, dag_id, run_id, instance
FROM upkeep.plans
WHERE purpose = 'plan' AND target = %(target)s AND not_after > %(now)s
  AND NOT (dag_id = %(dag_id)s AND run_id = %(run_id)s AND instance = %(instance)s)
ORDER BY id
