-- The next message that is due, taken for a while: another sender does not take it too, and if this one is killed the
-- message is due again. Channels that have failed in this go are left alone. What is said of an alert waits for what its
-- channel was to be told of the same trouble before: the end does not overtake the beginning that was not taken yet.
UPDATE upkeep.outbox o
SET attempts = o.attempts + 1, next_attempt = %(lease)s
WHERE o.id = (
    SELECT d.id FROM upkeep.outbox d
    WHERE d.state = 'due' AND d.next_attempt <= %(now)s AND d.channel = ANY (%(channels)s)
          AND NOT EXISTS (
              SELECT FROM upkeep.outbox b
              JOIN upkeep.tellings e ON e.outbox_id = b.id
              JOIN upkeep.alerts earlier ON earlier.id = e.alert_id
              JOIN upkeep.alerts later ON later.target = earlier.target AND later.key = earlier.key
              JOIN upkeep.tellings t ON t.alert_id = later.id AND t.outbox_id = d.id
              WHERE b.state = 'due' AND b.channel = d.channel AND b.id < d.id
          )
    ORDER BY d.next_attempt, d.id
    LIMIT 1
    FOR UPDATE OF d SKIP LOCKED
)
RETURNING o.id, o.key, o.channel, o.target, o.level, o.body, o.made_at, o.attempts, o.failed_at
