-- G72: requests with the service-role key in the period, by address and by the time index: all of them, or only those
-- at odd hours (UTC; an end before its start lies past midnight). There is always a row.
WITH used AS (
    SELECT left(l.{address}::text, 200) AS address,
           l.{time} AS at,
           EXISTS (SELECT FROM unnest(%(starts)s::time[], %(ends)s::time[]) AS o (from_, until)
                   WHERE CASE WHEN o.from_ < o.until THEN d.clock >= o.from_ AND d.clock < o.until
                              ELSE d.clock >= o.from_ OR d.clock < o.until END) AS odd
    FROM {schema}.{table} l
    CROSS JOIN LATERAL (SELECT (l.{time} AT TIME ZONE 'UTC')::time AS clock) d
    WHERE l.{time} >= %(start)s AND l.{time} < %(end)s AND l.{role}::text = 'service_role'
),
summed AS (
    SELECT u.address, count(*) AS requests, count(*) FILTER (WHERE u.odd) AS odd_requests,
           min(u.at) AS first_at, max(u.at) AS last_at
    FROM used u
    WHERE u.odd OR %(any_hour)s
    GROUP BY u.address
)
SELECT EXISTS (SELECT FROM {schema}.{table} l WHERE l.{time} >= %(start)s AND l.{time} < %(end)s) AS written,
       count(s.requests) OVER () AS addresses,
       s.*
FROM (VALUES (1)) AS one (row)
LEFT JOIN summed s ON true
ORDER BY s.requests DESC NULLS LAST, s.address
LIMIT %(most)s
