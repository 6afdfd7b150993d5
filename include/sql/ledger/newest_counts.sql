-- Findings by level in the newest report of each target and cadence; a dry run has judged nothing.
WITH newest AS (
    SELECT DISTINCT ON (w.target, w.cadence) w.target, w.cadence, r.id
    FROM upkeep.reports r
    JOIN upkeep.windows w ON w.id = r.window_id
    WHERE w.target = ANY (%(targets)s) AND r.headline NOT LIKE 'Dry run:%%'
    ORDER BY w.target, w.cadence, r.id DESC
)
SELECT n.target, n.cadence, c.key AS level, c.value::integer AS findings
FROM newest n
JOIN upkeep.reports r USING (id)
CROSS JOIN LATERAL json_each_text(r.body::json -> 'counts') c
