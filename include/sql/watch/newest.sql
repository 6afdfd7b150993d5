-- The newest sample of each target, and how many of the last hour there are: what lacks is a gap.
SELECT target, max(taken_at) AS taken_at, count(*) FILTER (WHERE slot > %(now)s - interval '1 hour') AS samples
FROM upkeep.watch_samples
WHERE target = ANY (%(targets)s) AND slot > %(now)s - interval '1 day'
GROUP BY target
