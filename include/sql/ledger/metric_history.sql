-- G32-G37: some metrics over the last windows of a cadence, oldest first; a window without a sample has value null.
-- Of each window's step its latest try counts, as in the report. The window asked for comes last.
WITH recent AS (
    SELECT w.id, w.due, w.kind, w.period_start, w.id = %(window_id)s AS asked
    FROM upkeep.windows w
    WHERE w.target = %(target)s AND w.cadence = %(cadence)s AND w.due <= %(due)s
    ORDER BY w.due DESC, asked DESC, w.id DESC
    LIMIT %(windows)s
),
latest AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.window_id, s.state
    FROM recent r
    JOIN upkeep.steps s ON s.window_id = r.id
    ORDER BY s.window_id, s.step, s.id DESC
),
measured AS (
    SELECT DISTINCT ON (l.window_id, m.metric) l.window_id, m.metric, m.value
    FROM latest l
    JOIN upkeep.samples m ON m.step_id = l.id
    WHERE l.state = 'ran' AND m.metric = ANY (%(metrics)s) AND m.subject = ''
    ORDER BY l.window_id, m.metric, m.id DESC
)
SELECT wanted.metric, r.due, r.period_start, r.kind, m.value
FROM recent r
CROSS JOIN unnest(%(metrics)s::text[]) AS wanted (metric)
LEFT JOIN measured m ON m.window_id = r.id AND m.metric = wanted.metric
ORDER BY wanted.metric, r.due, r.asked, r.id
