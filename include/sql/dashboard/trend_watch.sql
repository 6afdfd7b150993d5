-- G31: the same of the watch. What has become hours (G31) has of a function's response time the median, of the overall
-- health the lowest and the mean, and of the rest nothing; hours of which samples are still there are left out.
WITH kept AS (
    SELECT min(s.slot) AS since FROM upkeep.watch_samples s WHERE s.target = %(target)s
),
points AS (
    SELECT s.slot AS taken_at, v.value AS low, v.value AS high, 1 AS samples
    FROM upkeep.watch_samples s
    CROSS JOIN LATERAL (
        SELECT CASE WHEN %(metric)s = 'latency' THEN s.latencies ->> %(subject)s ELSE s.metrics ->> %(metric)s END::float8 AS value
    ) v
    WHERE s.target = %(target)s AND s.slot >= %(start)s AND s.slot <= %(end)s AND v.value IS NOT NULL
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
SELECT least(%(places)s, width_bucket(extract(epoch FROM p.taken_at)::float8, extract(epoch FROM %(start)s::timestamptz)::float8,
                    extract(epoch FROM %(end)s::timestamptz)::float8, %(places)s)) AS place,
       min(p.taken_at) AS first, max(p.taken_at) AS last, sum(p.samples)::bigint AS samples,
       min(p.low) AS low, max(p.high) AS high, 0 AS odd, ARRAY[]::text[] AS cadences
FROM points p
GROUP BY place
ORDER BY place
