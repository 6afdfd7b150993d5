-- What was carried out on a target in a stretch of time, the newest first: marks on a trend. Of the newest few also what
-- it was, by the plan's text; a plan is read once.
WITH done AS (
    SELECT coalesce(r.ended_at, r.written_at) AS at, m.digest, m.action_id, l.dag_id, l.run_id, l.body,
           row_number() OVER (ORDER BY coalesce(r.ended_at, r.written_at) DESC, r.id DESC) AS number
    FROM upkeep.plans l
    JOIN upkeep.permits m ON m.digest = l.digest
    JOIN upkeep.receipts r ON r.permit_id = m.id
    WHERE l.target = %(target)s AND l.not_after >= %(start)s AND r.outcome = 'done'
      AND coalesce(r.ended_at, r.written_at) >= %(start)s AND coalesce(r.ended_at, r.written_at) < %(end)s
),
told AS (
    SELECT d.digest, a ->> 'id' AS id, a ->> 'verb' AS verb, a ->> 'schema' AS schema, a ->> 'table' AS name
    FROM (SELECT DISTINCT digest, body FROM done WHERE number <= %(told)s) d
    CROSS JOIN LATERAL jsonb_array_elements(d.body::jsonb -> 'actions') a
)
SELECT d.at, d.dag_id, d.run_id, t.verb, t.schema, t.name
FROM done d
LEFT JOIN told t ON (t.digest, t.id) = (d.digest, d.action_id) AND d.number <= %(told)s
WHERE d.number <= %(most)s
ORDER BY d.number
