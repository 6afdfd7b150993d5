-- Channels that have messages which they did not take: since when, how many, and the newest error.
SELECT o.channel, min(o.failed_at) AS since, count(*) AS messages, bool_or(o.level = 'critical') AS critical,
       (array_agg(o.error ORDER BY o.next_attempt DESC, o.id DESC))[1] AS error
FROM upkeep.outbox o
WHERE o.state IN ('due', 'dead') AND o.failed_at IS NOT NULL
      AND NOT EXISTS (SELECT FROM upkeep.outbox s WHERE s.channel = o.channel AND s.state = 'sent' AND s.sent_at >= o.failed_at)
GROUP BY o.channel
