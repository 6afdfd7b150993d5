-- G72: requests with the service-role key in the period, by address and by the time index. While only the odd hours
-- matter (UTC; an end before its start lies past midnight) only these are read. There is always a row; `written` asks
-- for the rest of the period only when nothing was found.
WITH odd AS (
    SELECT coalesce(range_agg(tstzrange(day + o.from_::interval,
                                        day + o.until::interval + CASE WHEN o.from_ < o.until THEN interval '0'
                                                                       ELSE interval '1 day' END)),
                    '{{}}') AS hours
    FROM unnest(%(starts)s::time[], %(ends)s::time[]) AS o (from_, until)
    CROSS JOIN generate_series(date_trunc('day', %(start)s::timestamptz, 'UTC') - interval '1 day',
                               %(end)s::timestamptz, interval '1 day') AS day
),
requests AS (
    SELECT left(l.{address}::text, 200) AS address, l.{time} AS at, l.{role}::text = 'service_role' AS privileged,
           l.{time}::timestamptz <@ odd.hours AS odd
    FROM odd
    CROSS JOIN unnest(tstzmultirange(tstzrange(%(start)s, %(end)s))
                      * CASE WHEN %(any_hour)s THEN '{{(,)}}' ELSE odd.hours END) AS span
    JOIN {schema}.{table} l ON l.{time} >= lower(span) AND l.{time} < upper(span)
),
summed AS (
    SELECT r.address, count(*) AS requests, count(*) FILTER (WHERE r.odd) AS odd_requests,
           min(r.at) AS first_at, max(r.at) AS last_at
    FROM requests r
    WHERE r.privileged
    GROUP BY r.address
)
SELECT EXISTS (SELECT FROM summed)
       OR EXISTS (SELECT FROM {schema}.{table} l WHERE l.{time} >= %(start)s AND l.{time} < %(end)s) AS written,
       count(s.requests) OVER () AS addresses,
       s.*
FROM (VALUES (1)) AS one (row)
LEFT JOIN summed s ON true
ORDER BY s.requests DESC NULLS LAST, s.address
LIMIT %(most)s
