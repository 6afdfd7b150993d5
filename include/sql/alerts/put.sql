-- One message, once: its key says of what change it tells.
INSERT INTO upkeep.outbox (key, channel, target, level, body, made_at, next_attempt)
VALUES (%(key)s, %(channel)s, %(target)s, %(level)s, %(body)s, %(made_at)s, %(made_at)s)
ON CONFLICT (key) DO NOTHING
RETURNING id
