-- G70: addresses that logged in during the period, and those of the days before it that nobody remembers, by the time
-- index; `fresh` is who is among neither these nor the remembered ones. Each row says when an address was last seen, to
-- be remembered. There is always a row: it counts them all. `written` tells a quiet log from one nobody writes to.
WITH seen AS (
    SELECT d.address, count(*) AS logins, count(DISTINCT d.account) AS accounts, min(d.account) AS account,
           max(d.at) AS last_at
    FROM (SELECT l.{time} AS at,
                 CASE WHEN lower(l.{event}::text) = ANY (%(login_success)s::text[]) THEN left(l.{address}::text, 200) END AS address,
                 CASE WHEN lower(l.{event}::text) = ANY (%(login_success)s::text[]) THEN left(l.{account}::text, 200) END AS account
          FROM {schema}.{table} l
          WHERE l.{time} >= %(start)s AND l.{time} < %(end)s) d
    GROUP BY d.address
),
before AS (
    SELECT left(l.{address}::text, 200) AS address, min(l.{time}) AS first_at, max(l.{time}) AS last_at
    FROM unnest(%(unread_from)s::timestamptz[], %(unread_until)s::timestamptz[]) AS u (from_, until)
    JOIN {schema}.{table} l ON l.{time} >= u.from_ AND l.{time} < u.until
    WHERE lower(l.{event}::text) = ANY (%(login_success)s::text[]) AND l.{address} IS NOT NULL
    GROUP BY 1
),
each AS (
    SELECT coalesce(s.address, b.address) AS address, s.logins, s.accounts, s.account,
           b.first_at::timestamptz AS first_at, greatest(s.last_at, b.last_at)::timestamptz AS last_at,
           b.address IS NULL AND r.address IS NULL AS fresh
    FROM (SELECT * FROM seen WHERE address IS NOT NULL) s
    FULL JOIN before b ON b.address = s.address
    LEFT JOIN unnest(%(remembered)s::text[]) AS r (address) ON r.address = s.address
)
SELECT EXISTS (SELECT FROM seen) AS written,
       count(e.address) OVER () AS addresses,
       count(e.logins) OVER () AS seen,
       count(*) FILTER (WHERE e.fresh) OVER () AS new,
       min(e.first_at) OVER () AS known_from,
       e.*
FROM (VALUES (1)) AS one (row)
LEFT JOIN each e ON true
ORDER BY e.fresh DESC NULLS LAST, e.logins DESC NULLS LAST, e.address
LIMIT %(most)s
