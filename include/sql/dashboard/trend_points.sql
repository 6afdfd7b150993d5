-- G31, G117: what a target's windows have measured of one thing in a stretch of time, in so many places of the plot: of
-- each the lowest and the highest value, so that no outlier is lost. ``odd`` are values that no axis has (NaN, infinity, a number beyond measure).
-- ``cadences`` says which windows they are from: when the next value was to come.
WITH points AS (
    SELECT m.taken_at, m.value, w.cadence, abs(m.value) < 1e300 AS sound
    FROM upkeep.samples m
    JOIN upkeep.steps s ON s.id = m.step_id
    JOIN upkeep.windows w ON w.id = s.window_id
    WHERE m.metric = %(metric)s AND m.subject = %(subject)s AND m.taken_at >= %(start)s AND m.taken_at <= %(end)s
      AND w.target = %(target)s AND s.state = 'ran'
)
SELECT least(%(places)s, width_bucket(extract(epoch FROM p.taken_at)::float8, extract(epoch FROM %(start)s::timestamptz)::float8,
                    extract(epoch FROM %(end)s::timestamptz)::float8, %(places)s)) AS place,
       min(p.taken_at) AS first, max(p.taken_at) AS last, count(*) AS samples,
       min(p.value) FILTER (WHERE p.sound) AS low, max(p.value) FILTER (WHERE p.sound) AS high,
       count(*) FILTER (WHERE NOT p.sound) AS odd, array_agg(DISTINCT p.cadence) AS cadences
FROM points p
GROUP BY place
ORDER BY place
