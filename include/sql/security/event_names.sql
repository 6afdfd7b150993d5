-- Which events a log holds in the period, by the time index: asked when none of the expected ones was found, so that "none"
-- is told from "called something else here". Names are cut: whoever writes the log chooses them.
SELECT lower(left(l.{event}::text, 100)) AS event, count(*) AS rows, count(*) OVER () AS names
FROM {schema}.{table} l
WHERE l.{time} >= %(start)s AND l.{time} < %(end)s
GROUP BY 1
ORDER BY lower(left(l.{event}::text, 100)) = ANY (%(known)s::text[]), 2 DESC, 1
LIMIT %(shown)s
