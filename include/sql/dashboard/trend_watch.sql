-- G31: the same of the watch. What has become hours has of a function's response time the median, of the overall health the lowest
-- and the mean, and of the rest nothing; hours of which samples are still there (``kept``) are left out. ``hours`` says
-- that a place has nothing else: when the next value was to come. ``odd`` are values that no axis has, as of the windows. Each
-- value is taken out of its JSON once (MATERIALIZED): a week has twenty thousand.
WITH taken AS MATERIALIZED (
    SELECT s.slot AS taken_at,
           CASE WHEN %(metric)s = 'latency' THEN s.latencies ->> %(subject)s ELSE s.metrics ->> %(metric)s END::float8 AS value
    FROM upkeep.watch_samples s
    WHERE s.target = %(target)s AND s.slot >= %(start)s AND s.slot <= %(end)s
),
points AS (
    SELECT t.taken_at, t.value AS low, t.value AS high, 1 AS samples, abs(t.value) < 1e300 AS sound, false AS hour
    FROM taken t
    WHERE t.value IS NOT NULL
    UNION ALL
    SELECT h.hour, v.low, v.high, h.samples, abs(v.low) < 1e300 AND abs(v.high) < 1e300, true
    FROM upkeep.watch_hours h
    CROSS JOIN LATERAL (
        SELECT CASE WHEN %(metric)s = 'latency' THEN (h.latencies ->> %(subject)s)::float8
                    WHEN %(metric)s = 'overall_health' THEN h.lowest_health END AS low,
               CASE WHEN %(metric)s = 'latency' THEN (h.latencies ->> %(subject)s)::float8
                    WHEN %(metric)s = 'overall_health' THEN h.mean_health END AS high
    ) v
    WHERE h.target = %(target)s AND h.hour >= %(start)s AND h.hour <= %(end)s AND v.low IS NOT NULL
      AND h.hour < coalesce(date_trunc('hour', %(kept)s::timestamptz, 'UTC'), 'infinity')
)
SELECT date_bin(%(width)s, p.taken_at, %(origin)s) AS place,
       min(p.taken_at) AS first, max(p.taken_at) AS last, sum(p.samples)::bigint AS samples,
       min(p.low) FILTER (WHERE p.sound) AS low, max(p.high) FILTER (WHERE p.sound) AS high,
       (array_agg(CASE WHEN p.sound THEN p.low END ORDER BY p.taken_at DESC))[1] AS newest,
       coalesce(sum(p.samples) FILTER (WHERE NOT p.sound), 0)::bigint AS odd, bool_and(p.hour) AS hours
FROM points p
GROUP BY place
ORDER BY place
