-- G71: how many requests of the period were answered with 429, by the time index: a row for all, then the addresses
-- that were refused most.
SELECT grouping(a.refused) = 1 AS "all",
       a.refused AS address,
       count(*) AS requests,
       count(*) FILTER (WHERE a.limited) AS limited
FROM (
    SELECT l.{status}::text = '429' AS limited,
           CASE WHEN l.{status}::text = '429' THEN left(l.{address}::text, 200) END AS refused
    FROM {schema}.{table} l
    WHERE l.{time} >= %(start)s AND l.{time} < %(end)s
) a
GROUP BY GROUPING SETS ((), (a.refused))
HAVING grouping(a.refused) = 1 OR a.refused IS NOT NULL
ORDER BY 1 DESC, 4 DESC, 2
LIMIT 1 + %(shown)s
