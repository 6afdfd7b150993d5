-- The channel took it.
UPDATE upkeep.outbox SET state = 'sent', sent_at = %(now)s, error = '' WHERE id = %(id)s AND state = 'due'
