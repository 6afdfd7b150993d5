-- The newest report of each target's windows of a cadence; a dry run has looked at nothing. Reports are read from the newest on.
SELECT t.target, r.made_at, r.dag_id, r.run_id
FROM unnest(%(targets)s::text[]) AS t (target)
CROSS JOIN LATERAL (
    SELECT r.made_at, r.dag_id, r.run_id
    FROM upkeep.windows w
    JOIN upkeep.reports r ON r.window_id = w.id
    WHERE w.target = t.target AND w.cadence = %(cadence)s AND r.headline NOT LIKE 'Dry run:%%'
    ORDER BY r.id DESC
    LIMIT 1
) r
