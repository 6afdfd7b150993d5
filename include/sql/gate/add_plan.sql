-- One plan and one sheet of each purpose per run instance: clearing the task finds what is there.
INSERT INTO upkeep.plans
    (window_id, target, dag_id, run_id, instance, purpose, digest, body, measured, checklist, not_after)
VALUES (%(window_id)s, %(target)s, %(dag_id)s, %(run_id)s, %(instance)s, %(purpose)s, %(digest)s, %(body)s, %(measured)s,
        %(checklist)s, %(not_after)s)
ON CONFLICT (dag_id, run_id, instance, purpose) DO NOTHING
