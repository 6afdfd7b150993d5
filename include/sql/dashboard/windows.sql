-- The calendar's windows that were due in a stretch of time, each with the newest report about it.
SELECT d.target, d.cadence, d.due, d.deadline, d.state, d.reason, r.level, r.headline, r.dag_id, r.run_id
FROM upkeep.due_windows d
LEFT JOIN upkeep.windows w
       ON (w.target, w.cadence, w.due) = (d.target, d.cadence, d.due) AND w.kind = 'calendar'
LEFT JOIN LATERAL (
    SELECT r.level, r.headline, r.dag_id, r.run_id
    FROM upkeep.reports r
    WHERE r.window_id = w.id
    ORDER BY r.id DESC
    LIMIT 1
) r ON true
WHERE d.target = ANY (%(targets)s) AND d.due >= %(start)s AND d.due < %(end)s
ORDER BY d.target, d.cadence, d.due
