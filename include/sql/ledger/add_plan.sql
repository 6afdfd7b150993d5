-- One plan per run: clearing the task finds the plan that is there.
INSERT INTO upkeep.plans (window_id, target, dag_id, run_id, digest, body, measured, checklist, not_after)
VALUES (%(window_id)s, %(target)s, %(dag_id)s, %(run_id)s, %(digest)s, %(body)s, %(measured)s, %(checklist)s,
        %(not_after)s)
ON CONFLICT (dag_id, run_id) DO NOTHING
