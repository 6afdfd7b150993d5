-- The newest report of each target and cadence; a dry run has looked at nothing.
SELECT DISTINCT ON (w.target, w.cadence) w.target, w.cadence, r.made_at, r.level, r.headline, r.dag_id, r.run_id
FROM upkeep.reports r
JOIN upkeep.windows w ON w.id = r.window_id
WHERE w.target = ANY (%(targets)s) AND r.headline NOT LIKE 'Dry run:%%'
ORDER BY w.target, w.cadence, r.id DESC
