-- The first reports of calendar windows of these days, for a message each.
SELECT DISTINCT ON (w.id) w.id AS window_id, w.target, w.cadence, w.due, r.dag_id, r.run_id, r.level, r.headline, r.made_at
FROM upkeep.reports r
JOIN upkeep.windows w ON w.id = r.window_id
WHERE r.made_at > %(after)s AND w.kind = 'calendar'
ORDER BY w.id, r.id
