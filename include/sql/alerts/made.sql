-- How many messages each channel was given lately.
SELECT channel, count(*) AS made FROM upkeep.outbox WHERE made_at > %(after)s GROUP BY channel
