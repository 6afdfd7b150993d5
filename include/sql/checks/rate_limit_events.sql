-- G71: rate_limited events of the period, by the time index: a row for all, then the addresses that caused most.
SELECT grouping(e.address) = 1 AS "all",
       e.address,
       count(*) AS events,
       EXISTS (SELECT FROM {schema}.{table} l WHERE l.{time} >= %(start)s AND l.{time} < %(end)s) AS written
FROM (
    SELECT left(l.{address}::text, 200) AS address
    FROM {schema}.{table} l
    WHERE l.{time} >= %(start)s AND l.{time} < %(end)s AND l.{event}::text = 'rate_limited'
) e
GROUP BY GROUPING SETS ((), (e.address))
HAVING grouping(e.address) = 1 OR e.address IS NOT NULL
ORDER BY 1 DESC, 3 DESC, 2
LIMIT 1 + %(shown)s
