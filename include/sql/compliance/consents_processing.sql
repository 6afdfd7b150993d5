-- G83: processing of the period by the time index, and the users whose data was processed on a consent that they neither
-- give now nor gave then. A consent that is renewed forgets when it was first given, so one that holds now counts for all
-- the period. Users are compared as text, for the two tables may hold them as different types.
WITH period AS (
    SELECT p.{user}::text AS "user", lower(btrim(p.{legal_basis}::text)) AS basis, p.{time} AS at
    FROM {schema}.{table} p
    WHERE p.{time} >= %(start)s AND p.{time} < %(end)s
),
uncovered AS (
    SELECT left(p."user", 200) AS "user", count(*) AS records, min(p.at) AS first_at, max(p.at) AS last_at
    FROM period p
    WHERE p.basis = lower(%(basis)s) AND p."user" IS NOT NULL
      AND NOT EXISTS (SELECT FROM {consents_schema}.{consents} c
                      WHERE c.{consents_user}::text = p."user"
                        AND (%(type)s::text IS NULL OR c.{consents_type}::text = %(type)s::text)
                        AND (c.{consents_granted} OR (c.{consents_granted_at} <= p.at AND c.{consents_withdrawn_at} > p.at)))
    GROUP BY p."user"
)
SELECT counted.*, told.*
FROM (SELECT count(*) AS records,
             count(*) FILTER (WHERE coalesce(p.basis, '') = '') AS without_basis,
             count(*) FILTER (WHERE p.basis = lower(%(basis)s)) AS on_consent,
             count(*) FILTER (WHERE p.basis = lower(%(basis)s) AND p."user" IS NULL) AS without_user,
             (SELECT array_agg(b.basis ORDER BY b.records DESC, b.basis)
              FROM (SELECT left(p.basis, 100) AS basis, count(*) AS records
                    FROM period p WHERE p.basis <> '' GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT 5) b) AS first_bases
      FROM period p) counted
CROSS JOIN (SELECT count(*) AS users, coalesce(sum(u.records), 0)::bigint AS uncovered, min(u.first_at) AS first_at,
                   max(u.last_at) AS last_at,
                   (array_agg(u."user" ORDER BY u.records DESC, u."user"))[1:%(shown)s::int] AS first_users
            FROM uncovered u) told
