-- G31: the same of the watch. What has become hours has of a function's response time the median, of the overall health the lowest
-- and the mean, and of the rest nothing; hours of which samples are still there are left out. Each value is taken out of its
-- JSON once (MATERIALIZED): a week has twenty thousand.
WITH kept AS (
    SELECT min(s.slot) AS since FROM upkeep.watch_samples s WHERE s.target = %(target)s
),
taken AS MATERIALIZED (
    SELECT s.slot AS taken_at,
           CASE WHEN %(metric)s = 'latency' THEN s.latencies ->> %(subject)s ELSE s.metrics ->> %(metric)s END::float8 AS value
    FROM upkeep.watch_samples s
    WHERE s.target = %(target)s AND s.slot >= %(start)s AND s.slot <= %(end)s
),
points AS (
    SELECT t.taken_at, t.value AS low, t.value AS high, 1 AS samples
    FROM taken t
    WHERE t.value IS NOT NULL
    UNION ALL
    SELECT h.hour, v.low, v.high, h.samples
    FROM upkeep.watch_hours h
    CROSS JOIN LATERAL (
        SELECT CASE WHEN %(metric)s = 'latency' THEN (h.latencies ->> %(subject)s)::float8
                    WHEN %(metric)s = 'overall_health' THEN h.lowest_health END AS low,
               CASE WHEN %(metric)s = 'latency' THEN (h.latencies ->> %(subject)s)::float8
                    WHEN %(metric)s = 'overall_health' THEN h.mean_health END AS high
    ) v
    WHERE h.target = %(target)s AND h.hour >= %(start)s AND h.hour <= %(end)s AND v.low IS NOT NULL
      AND h.hour < coalesce((SELECT date_trunc('hour', k.since, 'UTC') FROM kept k), 'infinity')
)
SELECT date_bin(%(width)s, p.taken_at, %(start)s) AS place,
       min(p.taken_at) AS first, max(p.taken_at) AS last, sum(p.samples)::bigint AS samples,
       min(p.low) AS low, max(p.high) AS high, 0 AS odd, ARRAY[]::text[] AS cadences
FROM points p
GROUP BY place
ORDER BY place
