-- Alerts for an Alertmanager, the worst first: those that are open, and those whose end it may not have heard of yet.
SELECT id, target, key, level, cause, detail, remedy, owner, since, ended_at
FROM upkeep.alerts
WHERE ended_at IS NULL OR ended_at > %(after)s
ORDER BY ended_at IS NOT NULL, array_position(ARRAY['critical', 'unknown', 'warning', 'advisory'], level), since, id
LIMIT %(most)s
