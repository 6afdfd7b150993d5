-- G83: the consents in one pass over the table, for one that holds may be of any age: a row for all, one for each type and
-- one for each version of the policy that consents in force were given to. What contradicts itself is counted by rule.
SELECT CASE grouping(c.type, c.policy) WHEN 3 THEN 'all' WHEN 1 THEN 'type' ELSE 'policy' END AS kind,
       coalesce(c.type, c.policy) AS name,
       count(*) AS consents,
       count(*) FILTER (WHERE c.granted) AS in_force,
       count(*) FILTER (WHERE c.granted_at >= %(start)s AND c.granted_at < %(end)s) AS granted,
       count(*) FILTER (WHERE c.withdrawn_at >= %(start)s AND c.withdrawn_at < %(end)s) AS withdrawn,
       count(*) FILTER (WHERE c.granted AND c.granted_at IS NULL) AS granted_without_time,
       count(*) FILTER (WHERE c.granted AND c.withdrawn_at IS NOT NULL) AS granted_though_withdrawn,
       count(*) FILTER (WHERE NOT c.granted AND c.granted_at IS NOT NULL AND c.withdrawn_at IS NULL)
           AS withdrawn_without_time,
       count(*) FILTER (WHERE NOT c.granted AND c.withdrawn_at < c.granted_at) AS withdrawn_before_granted,
       count(*) FILTER (WHERE c.granted IS NULL) AS undecided,
       count(*) FILTER (WHERE greatest(c.granted_at, c.withdrawn_at) > now()) AS still_to_come,
       min(c.granted_at) FILTER (WHERE c.granted AND c.granted_at >= '0002-01-01' AND c.granted_at < '9999-01-01') AS first_at
FROM (SELECT left(t.{type}::text, 100) AS type, left(t.{policy}::text, 100) AS policy, t.{granted} AS granted,
             t.{granted_at} AS granted_at, t.{withdrawn_at} AS withdrawn_at
      FROM {schema}.{table} t) c
GROUP BY GROUPING SETS ((), (c.type), (c.policy))
ORDER BY grouping(c.type, c.policy) DESC, 3 DESC, 2
LIMIT %(most)s
