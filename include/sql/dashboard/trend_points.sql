-- G31, G117: what a target's windows have measured of one thing in a stretch of time, in so many places of the plot: of
-- each the lowest and the highest value, so that no outlier is lost, and the newest one. ``odd`` are values that no axis has (NaN, infinity, a
-- number beyond measure). ``cadences`` says which windows they are from: when the next value was to come. A sample's step is
-- looked up by itself (LIMIT): joined as a whole, all steps of all targets would be read for a few samples.
WITH mine AS MATERIALIZED (
    SELECT w.id, w.cadence FROM upkeep.windows w WHERE w.target = %(target)s
),
points AS (
    SELECT m.taken_at, m.value, w.cadence, abs(m.value) < 1e300 AS sound
    FROM upkeep.samples m
    CROSS JOIN LATERAL (SELECT s.window_id, s.state FROM upkeep.steps s WHERE s.id = m.step_id LIMIT 1) s
    JOIN mine w ON w.id = s.window_id
    WHERE m.metric = %(metric)s AND m.subject = %(subject)s AND m.taken_at >= %(start)s AND m.taken_at <= %(end)s
      AND s.state = 'ran'
)
SELECT date_bin(%(width)s, p.taken_at, %(start)s) AS place,
       min(p.taken_at) AS first, max(p.taken_at) AS last, count(*) AS samples,
       min(p.value) FILTER (WHERE p.sound) AS low, max(p.value) FILTER (WHERE p.sound) AS high,
       (array_agg(CASE WHEN p.sound THEN p.value END ORDER BY p.taken_at DESC))[1] AS newest,
       count(*) FILTER (WHERE NOT p.sound) AS odd, array_agg(DISTINCT p.cadence) AS cadences
FROM points p
GROUP BY place
ORDER BY place
