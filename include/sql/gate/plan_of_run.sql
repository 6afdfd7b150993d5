-- The plan of a run instance, none before it was drawn up (docs/gate.md, rule 10).
SELECT id, digest, body, measured, checklist, planned_at
FROM upkeep.plans
WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND instance = %(instance)s AND purpose = 'plan'
