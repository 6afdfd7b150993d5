-- G31, G117: what the newest looks of each step have measured of a target, for a choice of trends: windows that left a step out, or
-- in which it saw nothing, do not count. Addresses that a check remembers from day to day (G70) are none.
WITH recent AS (
    SELECT c.cadence, w.id, w.due
    FROM unnest(%(cadences)s::text[]) AS c (cadence)
    CROSS JOIN LATERAL (
        SELECT w.id, w.due
        FROM upkeep.windows w
        WHERE w.target = %(target)s AND w.cadence = c.cadence
        ORDER BY w.due DESC, w.id DESC
        LIMIT %(windows)s
    ) w
),
looks AS (
    SELECT s.id, row_number() OVER (PARTITION BY r.cadence, s.step ORDER BY r.due DESC, s.id DESC) AS number
    FROM recent r
    JOIN upkeep.steps s ON s.window_id = r.id
    WHERE s.state = 'ran' AND EXISTS (SELECT FROM upkeep.samples m WHERE m.step_id = s.id)
)
SELECT DISTINCT m.metric, m.subject
FROM looks l
JOIN upkeep.samples m ON m.step_id = l.id
WHERE l.number <= %(looks)s AND m.metric !~ '^(last seen|read until) in '
ORDER BY m.metric, m.subject
