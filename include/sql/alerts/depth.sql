-- Messages that wait, and dead letters, by channel.
SELECT channel, state, count(*) AS messages
FROM upkeep.outbox
WHERE state IN ('due', 'dead')
GROUP BY channel, state
