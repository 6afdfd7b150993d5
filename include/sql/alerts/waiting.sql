-- What was not sent: due messages and dead letters.
SELECT id, channel, target, level, state, attempts, made_at, next_attempt, error
FROM upkeep.outbox
WHERE state = 'due' OR (state = 'dead' AND made_at > %(after)s)
ORDER BY id
