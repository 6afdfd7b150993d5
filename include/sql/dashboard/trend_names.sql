-- G31, G117: what a target's newest windows of each cadence have measured, for a choice of trends; addresses that a check
-- remembers from day to day (G70) are none.
WITH newest AS (
    SELECT w.id
    FROM unnest(%(cadences)s::text[]) AS c (cadence)
    CROSS JOIN LATERAL (
        SELECT w.id
        FROM upkeep.windows w
        WHERE w.target = %(target)s AND w.cadence = c.cadence
        ORDER BY w.due DESC, w.id DESC
        LIMIT %(windows)s
    ) w
)
SELECT DISTINCT m.metric, m.subject
FROM newest n
JOIN upkeep.steps s ON s.window_id = n.id
JOIN upkeep.samples m ON m.step_id = s.id
WHERE s.state = 'ran' AND m.metric !~ '^(last seen|read until) in '
ORDER BY m.metric, m.subject
