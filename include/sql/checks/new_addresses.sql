-- G70: addresses that logged in during the period and not in the days before it, both halves by the time index.
-- There is always a row: it says how many addresses there are at all, and how far back the log knows any.
WITH seen AS (
    SELECT left(l.{address}::text, 200) AS address,
           count(*) AS logins,
           count(DISTINCT left(l.{account}::text, 200)) AS accounts,
           min(left(l.{account}::text, 200)) AS account,
           min(l.{time}) AS first_at
    FROM {schema}.{table} l
    WHERE l.{time} >= %(start)s AND l.{time} < %(end)s AND l.{event}::text = 'login_success'
      AND l.{address} IS NOT NULL
    GROUP BY 1
),
known AS (
    SELECT left(l.{address}::text, 200) AS address, min(l.{time}) AS since
    FROM {schema}.{table} l
    WHERE l.{time} >= %(known_since)s AND l.{time} < %(start)s AND l.{event}::text = 'login_success'
      AND l.{address} IS NOT NULL
    GROUP BY 1
),
fresh AS (
    SELECT s.* FROM seen s WHERE NOT EXISTS (SELECT FROM known k WHERE k.address = s.address)
)
SELECT EXISTS (SELECT FROM {schema}.{table} l WHERE l.{time} >= %(start)s AND l.{time} < %(end)s) AS written,
       (SELECT count(*) FROM seen) AS seen,
       (SELECT count(*) FROM known) AS known,
       (SELECT min(k.since) FROM known k) AS known_from,
       count(f.address) OVER () AS fresh,
       f.*
FROM (VALUES (1)) AS one (row)
LEFT JOIN fresh f ON true
ORDER BY f.logins DESC NULLS LAST, f.address
LIMIT %(shown)s
