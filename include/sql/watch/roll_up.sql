-- Samples of hours that are over become one row an hour; of each function's answers the median.
WITH over AS (
    SELECT s.*, date_trunc('hour', s.slot, 'UTC') AS hour
    FROM upkeep.watch_samples s
    WHERE s.slot < date_trunc('hour', %(before)s::timestamptz, 'UTC')
          AND NOT EXISTS (
              SELECT FROM upkeep.watch_hours h
              WHERE h.target = s.target AND h.hour = date_trunc('hour', s.slot, 'UTC')
          )
),
medians AS (
    SELECT o.target, o.hour, l.key, percentile_cont(0.5) WITHIN GROUP (ORDER BY l.value::double precision) AS ms
    FROM over o
    CROSS JOIN LATERAL jsonb_each_text(o.latencies) l
    WHERE l.value IS NOT NULL
    GROUP BY o.target, o.hour, l.key
)
INSERT INTO upkeep.watch_hours (target, hour, samples, unknown, lowest_health, mean_health, latencies)
SELECT o.target, o.hour, count(*), count(*) FILTER (WHERE o.level = 'unknown'), min(o.health), avg(o.health),
       coalesce((SELECT jsonb_object_agg(m.key, m.ms) FROM medians m WHERE m.target = o.target AND m.hour = o.hour), '{}')
FROM over o
GROUP BY o.target, o.hour
ON CONFLICT (target, hour) DO NOTHING
