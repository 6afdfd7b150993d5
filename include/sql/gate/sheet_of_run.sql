-- What the people of a run instance were asked to put their names to, for one purpose.
SELECT id, digest, body, measured, planned_at
FROM upkeep.plans
WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND instance = %(instance)s AND purpose = %(purpose)s
