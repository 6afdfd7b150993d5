-- Runs of windows that are not settled: the calendar's own, and runs by hand that may hold a window's slot.
SELECT w.target, w.cadence, w.due, w.kind, w.run_id, w.opened_at, w.closed_at
FROM upkeep.windows w
JOIN upkeep.calendars c USING (target, cadence)
LEFT JOIN upkeep.due_windows d USING (target, cadence, due)
WHERE d.state IN ('due', 'open', 'missed')
   OR (d.state IS NULL AND (w.kind = 'calendar' OR w.due > c.until))
ORDER BY w.id
