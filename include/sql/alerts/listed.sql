-- Alerts for a person who opens the link of a message: one of them, or all that are open, the worst first.
SELECT id, target, key, level, cause, detail, remedy, findings, owner, dag_id, run_id, since, changed_at, ended_at,
       acknowledged_by, acknowledged_why, acknowledged_until
FROM upkeep.alerts
WHERE CASE WHEN %(id)s::bigint IS NULL THEN ended_at IS NULL ELSE id = %(id)s END
ORDER BY array_position(ARRAY['critical', 'unknown', 'warning', 'advisory'], level), since, id
LIMIT 201
