-- G71: rate-limit events of the period, by the time index: a row for all, then the addresses that caused most.
SELECT grouping(e.address) = 1 AS "all",
       e.address,
       count(*) FILTER (WHERE e.limited) AS events,
       count(*) > 0 AS written
FROM (
    SELECT lower(l.{event}::text) = ANY (%(rate_limited)s::text[]) AS limited,
           CASE WHEN lower(l.{event}::text) = ANY (%(rate_limited)s::text[]) THEN left(l.{address}::text, 200) END AS address
    FROM {schema}.{table} l
    WHERE l.{time} >= %(start)s AND l.{time} < %(end)s
) e
GROUP BY GROUPING SETS ((), (e.address))
HAVING grouping(e.address) = 1 OR e.address IS NOT NULL
ORDER BY 1 DESC, 3 DESC, 2
LIMIT 1 + %(shown)s
