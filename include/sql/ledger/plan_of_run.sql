-- The plan of a run, none before it was drawn up.
SELECT id, digest, body, measured, checklist, planned_at
FROM upkeep.plans
WHERE dag_id = %(dag_id)s AND run_id = %(run_id)s AND purpose = 'plan'
