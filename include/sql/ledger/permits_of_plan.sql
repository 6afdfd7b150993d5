-- Every permit of a plan with its receipt; without one its outcome is unknown.
SELECT p.id, p.action_id, p.attempt, p.permitted_at, p.backend_pid,
       r.outcome, r.reason, r.started_at, r.ended_at, r.lock_wait_ms, r.duration_ms, r.wal_bytes, r.before, r.after
FROM upkeep.permits p
LEFT JOIN upkeep.receipts r ON r.permit_id = p.id
WHERE p.digest = %(digest)s
ORDER BY p.id
