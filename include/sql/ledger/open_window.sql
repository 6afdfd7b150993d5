-- The first task of a run opens its window; retries, clears and backfills of the same due are the same row.
INSERT INTO upkeep.windows AS w
    (target, cadence, due, kind, manual_run_id, manual_instance, dag_id, run_id, deadline, period_start, period_end, requested_by)
VALUES (%(target)s, %(cadence)s, %(due)s, %(kind)s, %(manual_run_id)s, %(manual_instance)s, %(dag_id)s, %(run_id)s,
        %(deadline)s, %(period_start)s, %(period_end)s, %(requested_by)s)
ON CONFLICT (target, cadence, due, kind, manual_run_id, manual_instance)
    DO UPDATE SET run_id = excluded.run_id, opened_at = now(), outcome = NULL, closed_at = NULL
RETURNING w.id
