-- Runs of windows that are not settled: the calendar's own, and runs by hand that may hold a window's slot. Slots are looked for
-- first, in indexes alone: the windows of all years are read for none of them.
WITH slots AS MATERIALIZED (
    SELECT d.target, d.cadence, d.due
    FROM upkeep.due_windows d
    WHERE d.state IN ('due', 'open', 'missed')
    UNION
    SELECT w.target, w.cadence, w.due
    FROM upkeep.windows w
    WHERE NOT EXISTS (
        SELECT FROM upkeep.due_windows d WHERE (d.target, d.cadence, d.due) = (w.target, w.cadence, w.due)
    )
)
SELECT w.target, w.cadence, w.due, w.kind, w.run_id, w.opened_at, w.closed_at
FROM slots
JOIN upkeep.windows w USING (target, cadence, due)
JOIN upkeep.calendars c USING (target, cadence)
LEFT JOIN upkeep.due_windows d USING (target, cadence, due)
WHERE d.state IS NOT NULL OR w.kind = 'calendar' OR w.due > c.until
ORDER BY w.id
