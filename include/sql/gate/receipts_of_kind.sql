-- How long the done actions of a target's plans took and what the catalogue said then, by plan, the oldest first: what
-- predictions are corrected from. One that did only the rest of an earlier attempt (ADR 13) says nothing of a whole one.
SELECT l.digest, l.body, l.measured, jsonb_object_agg(p.action_id, r.duration_ms) AS took,
       jsonb_object_agg(p.action_id, r."after") AS "after"
FROM upkeep.plans l
JOIN upkeep.permits p ON p.digest = l.digest
JOIN upkeep.receipts r ON r.permit_id = p.id
WHERE l.target = %(target)s AND r.outcome = 'done' AND r.duration_ms IS NOT NULL 
  AND NOT r."before" ? 'rest' AND r.written_at >= %(since)s
GROUP BY l.id
ORDER BY l.id
