-- G75: the requests of the period in one pass by the time index: a row for all, then the roles with most. The rows are
-- summed by role and address first, so that only these pairs, and not the requests, are sorted for counting addresses.
-- The cost is that of reading every row of the period: at five million a week seconds to tens of seconds of I/O, bounded
-- by statement_timeout (config: sql.statement_timeout_seconds).
WITH pairs AS (
    SELECT left(l.{role}::text, 200) AS role, left(l.{address}::text, 200) AS address, count(*) AS requests,
           count(*) FILTER (WHERE l.{status}::text ~ '^4..$') AS client_errors,
           count(*) FILTER (WHERE l.{status}::text ~ '^5..$') AS server_errors
    FROM {schema}.{table} l
    WHERE l.{time} >= %(start)s AND l.{time} < %(end)s
    GROUP BY 1, 2
)
SELECT grouping(p.role) = 1 AS "all",
       p.role,
       coalesce(sum(p.requests), 0)::bigint AS requests,
       coalesce(sum(p.client_errors), 0)::bigint AS client_errors,
       coalesce(sum(p.server_errors), 0)::bigint AS server_errors,
       count(DISTINCT p.address) AS addresses
FROM pairs p
GROUP BY GROUPING SETS ((), (p.role))
ORDER BY 1 DESC, 3 DESC, 2
LIMIT 1 + %(most)s
