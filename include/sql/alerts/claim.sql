-- The next message that is due, taken for a while: another sender does not take it too, and if this one is killed the
-- message is due again. Channels that have failed in this go are left alone. What is said of an alert waits for what its
-- channel was to be told of the same trouble before: the end does not overtake the beginning that was not taken yet.
WITH about AS MATERIALIZED (
    SELECT m.id, min(m.id) OVER (PARTITION BY m.channel, a.target, a.key) AS first
    FROM upkeep.outbox m
    JOIN upkeep.tellings t ON t.outbox_id = m.id
    JOIN upkeep.alerts a ON a.id = t.alert_id
    WHERE m.state = 'due' AND m.channel = ANY (%(channels)s)
)
UPDATE upkeep.outbox o
SET attempts = o.attempts + 1, next_attempt = %(lease)s
WHERE o.id = (
    SELECT d.id FROM upkeep.outbox d
    WHERE d.state = 'due' AND d.next_attempt <= %(now)s AND d.channel = ANY (%(channels)s)
          AND d.id NOT IN (SELECT id FROM about WHERE first < id)
    ORDER BY d.next_attempt, d.id
    LIMIT 1
    FOR UPDATE OF d SKIP LOCKED
)
RETURNING o.id, o.key, o.channel, o.target, o.level, o.body, o.made_at, o.attempts, o.failed_at
