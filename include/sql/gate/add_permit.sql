-- Single-use authority, committed before the statement it permits (docs/gate.md, rule 6).
INSERT INTO upkeep.permits (digest, action_id, attempt, run_id, backend_pid, before)
VALUES (%(digest)s, %(action_id)s, %(attempt)s, %(run_id)s, %(backend_pid)s, %(before)s)
RETURNING id, permitted_at
