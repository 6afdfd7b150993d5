-- The next message that is due, taken for a while: another sender does not take it too, and if this one is killed the
-- message is due again. Channels that have failed in this go are left alone.
UPDATE upkeep.outbox o
SET attempts = o.attempts + 1, next_attempt = %(lease)s
WHERE o.id = (
    SELECT id FROM upkeep.outbox
    WHERE state = 'due' AND next_attempt <= %(now)s AND channel = ANY (%(channels)s)
    ORDER BY next_attempt, id
    LIMIT 1
    FOR UPDATE SKIP LOCKED
)
RETURNING o.id, o.key, o.channel, o.target, o.level, o.body, o.made_at, o.attempts, o.failed_at
