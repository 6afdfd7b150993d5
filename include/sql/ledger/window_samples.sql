-- What the steps of this window have measured so far, each by its latest try: one step's number beside another's.
WITH latest AS (
    SELECT DISTINCT ON (s.step) s.id
    FROM upkeep.steps s
    WHERE s.window_id = %(window_id)s
    ORDER BY s.step, s.id DESC
)
SELECT m.metric, m.subject, m.value
FROM latest
JOIN upkeep.samples m ON m.step_id = latest.id
