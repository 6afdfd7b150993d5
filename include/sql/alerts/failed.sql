-- The channel did not take it: due again later, or a dead letter.
UPDATE upkeep.outbox
SET state = %(state)s, next_attempt = %(next_attempt)s, failed_at = coalesce(failed_at, %(now)s), error = %(error)s
WHERE id = %(id)s AND state = 'due'
