-- G81: logins, failures and role changes of the period, in one pass by the time index: a row for all, one for each class
-- of account, then the accounts whose role was changed, those with most changes. The first pattern that fits an account is
-- its class. Texts are cut: whoever tries to log in chooses them. `written` tells a quiet log from one nobody writes to.
WITH accounts AS (
    SELECT left(l.{account}::text, 200) AS account,
           count(*) FILTER (WHERE lower(l.{event}::text) = ANY (%(login_success)s::text[])) AS logins,
           count(*) FILTER (WHERE lower(l.{event}::text) = ANY (%(login_failure)s::text[])) AS failures,
           count(*) FILTER (WHERE lower(l.{event}::text) = ANY (%(role_change)s::text[])) AS role_changes,
           min(l.{time}) FILTER (WHERE lower(l.{event}::text) = ANY (%(role_change)s::text[])) AS first_at,
           max(l.{time}) FILTER (WHERE lower(l.{event}::text) = ANY (%(role_change)s::text[])) AS last_at
    FROM {schema}.{table} l
    WHERE l.{time} >= %(start)s AND l.{time} < %(end)s
    GROUP BY 1
),
classed AS (
    SELECT coalesce((SELECT c.name
                     FROM unnest(%(names)s::text[], %(patterns)s::text[]) WITH ORDINALITY AS c (name, pattern, place)
                     WHERE a.account ILIKE c.pattern
                     ORDER BY c.place
                     LIMIT 1),
                    CASE WHEN a.account IS NULL THEN 'no account' ELSE 'others' END) AS class,
           a.*
    FROM accounts a
)
(SELECT CASE grouping(c.class) WHEN 1 THEN 'all' ELSE 'class' END AS kind,
        c.class AS name,
        coalesce(sum(c.logins), 0)::bigint AS logins,
        coalesce(sum(c.failures), 0)::bigint AS failures,
        coalesce(sum(c.role_changes), 0)::bigint AS role_changes,
        count(*) FILTER (WHERE c.logins > 0) AS accounts,
        count(*) FILTER (WHERE c.role_changes > 0) AS changed,
        min(c.first_at) AS first_at,
        max(c.last_at) AS last_at,
        count(*) > 0 AS written
 FROM classed c
 GROUP BY GROUPING SETS ((), (c.class))
 ORDER BY 1, 3 DESC, 2)
UNION ALL
(SELECT 'account', c.account, c.logins, c.failures, c.role_changes, 1, 1, c.first_at, c.last_at, true
 FROM classed c
 WHERE c.role_changes > 0
 ORDER BY c.role_changes DESC, c.account
 LIMIT %(shown)s)
