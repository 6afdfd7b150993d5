-- One row per try of a step; rows are only ever added, the report takes the latest.
INSERT INTO upkeep.steps (window_id, step, run_id, try_number, state, reason, source, digest, started_at)
VALUES (%(window_id)s, %(step)s, %(run_id)s, %(try_number)s, %(state)s, %(reason)s, %(source)s, %(digest)s, %(started_at)s)
RETURNING id
