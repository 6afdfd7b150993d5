-- The newest row shown by this task of this run instance to this role for this plan.
SELECT id, action_ids, asked, body_digest, shown_at
FROM upkeep.shown
WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND instance = %(instance)s AND task_id = %(task_id)s
  AND map_index = %(map_index)s AND role = %(role)s AND digest = %(digest)s
ORDER BY id DESC
LIMIT 1
