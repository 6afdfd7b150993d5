-- G19, G26: what some metrics were in the calendar's daily windows of a time, one value a window, oldest first.
-- Windows by hand are left out: they look at the same hours again, and twenty-eight of them are not four weeks. Of each
-- window's step its latest try counts, as in the report.
WITH recent AS (
    SELECT w.id, w.due
    FROM upkeep.windows w
    WHERE w.target = %(target)s AND w.cadence = 'daily' AND w.kind = 'calendar'
      AND w.due > %(since)s AND w.due <= %(now)s
),
latest AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, r.due, s.state
    FROM recent r
    JOIN upkeep.steps s ON s.window_id = r.id
    ORDER BY s.window_id, s.step, s.id DESC
)
SELECT DISTINCT ON (m.metric, m.subject, l.due) m.metric, m.subject, l.due, m.value
FROM latest l
JOIN upkeep.samples m ON m.step_id = l.id
WHERE l.state = 'ran' AND m.metric = ANY (%(metrics)s)
ORDER BY m.metric, m.subject, l.due, m.id DESC
