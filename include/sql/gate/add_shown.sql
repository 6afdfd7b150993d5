-- What one role is asked, committed before the task waits (docs/gate.md, rule 1).
INSERT INTO upkeep.shown
    (window_id, dag_id, run_id, instance, task_id, map_index, try_number, role, digest, body_digest, action_ids, asked)
VALUES (%(window_id)s, %(dag_id)s, %(run_id)s, %(instance)s, %(task_id)s, %(map_index)s, %(try_number)s, %(role)s,
        %(digest)s, %(body_digest)s, %(action_ids)s, %(asked)s)
RETURNING id, shown_at
