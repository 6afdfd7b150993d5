-- What was carried out on a target in a stretch of time, the newest first: marks on a trend. Of the newest few also what
-- it was, by the plan's text; a plan is read once. The target's plans come first (MATERIALIZED): else the receipts of all
-- targets are gone through. A permit has one receipt at most; LIMIT keeps the planner from joining all of them.
WITH mine AS MATERIALIZED (
    SELECT l.digest, l.dag_id, l.run_id
    FROM upkeep.plans l
    WHERE l.target = %(target)s AND l.not_after >= %(start)s
),
done AS (
    SELECT r.at, m.digest, m.action_id, mine.dag_id, mine.run_id, row_number() OVER (ORDER BY r.at DESC, r.id DESC) AS number
    FROM mine
    JOIN upkeep.permits m ON m.digest = mine.digest
    CROSS JOIN LATERAL (
        SELECT id, coalesce(ended_at, written_at) AS at
        FROM upkeep.receipts
        WHERE permit_id = m.id AND outcome = 'done'
        LIMIT 1
    ) r
    WHERE r.at >= %(start)s AND r.at < %(end)s
),
told AS (
    SELECT l.digest, a ->> 'id' AS id, a ->> 'verb' AS verb, a ->> 'schema' AS schema, a ->> 'table' AS name
    FROM upkeep.plans l
    CROSS JOIN LATERAL jsonb_array_elements(l.body::jsonb -> 'actions') a
    WHERE l.digest IN (SELECT digest FROM done WHERE number <= %(told)s)
)
SELECT d.at, d.dag_id, d.run_id, t.verb, t.schema, t.name
FROM done d
LEFT JOIN told t ON (t.digest, t.id) = (d.digest, d.action_id) AND d.number <= %(told)s
WHERE d.number <= %(most)s
ORDER BY d.number
