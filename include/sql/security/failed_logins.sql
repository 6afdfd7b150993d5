-- G70: who failed to log in too often in the period, in one pass by the time index: a row for all, then the worst.
-- Texts are cut: whoever tries to log in chooses them. `written` tells a quiet log from one that nobody writes to.
WITH failures AS (
    SELECT left(l.{address}::text, 200) AS address, left(l.{account}::text, 200) AS account, l.{time} AS at
    FROM {schema}.{table} l
    WHERE l.{time} >= %(start)s AND l.{time} < %(end)s AND lower(l.{event}::text) = ANY (%(login_failure)s::text[])
),
summed AS (
    SELECT CASE grouping(f.address, f.account) WHEN 1 THEN 'address' WHEN 2 THEN 'account' ELSE 'all' END AS dimension,
           f.address,
           f.account,
           count(*) AS failures,
           count(DISTINCT f.address) AS addresses,
           count(DISTINCT f.account) AS accounts,
           count(*) FILTER (WHERE f.address IS NULL) AS without_address,
           min(f.at) AS first_at,
           max(f.at) AS last_at
    FROM failures f
    GROUP BY GROUPING SETS ((f.address), (f.account), ())
)
SELECT s.*,
       count(*) FILTER (WHERE s.dimension <> 'all') OVER () AS offenders,
       EXISTS (SELECT FROM failures)
       OR EXISTS (SELECT FROM {schema}.{table} l WHERE l.{time} >= %(start)s AND l.{time} < %(end)s) AS written
FROM summed s
WHERE s.dimension = 'all'
   OR (s.address IS NOT NULL AND s.failures > %(per_address)s)
   OR (s.account IS NOT NULL AND s.failures > %(per_account)s)
ORDER BY s.dimension = 'all' DESC, s.failures DESC, s.dimension, s.address, s.account
LIMIT 1 + %(shown)s
