-- What was really done under a permit.
INSERT INTO upkeep.receipts
    (permit_id, outcome, reason, started_at, ended_at, lock_wait_ms, duration_ms, wal_bytes, before, after)
VALUES (%(permit_id)s, %(outcome)s, %(reason)s, %(started_at)s, %(ended_at)s, %(lock_wait_ms)s, %(duration_ms)s,
        %(wal_bytes)s, %(before)s, %(after)s)
ON CONFLICT (permit_id) DO NOTHING
RETURNING id, written_at
