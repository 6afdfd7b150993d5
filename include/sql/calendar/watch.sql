-- The calendar of a target and cadence counts from its first window that ran in time; one that is known stays as it is.
INSERT INTO upkeep.calendars (target, cadence, since, until)
SELECT %(target)s, %(cadence)s, least(%(since)s, min(w.due)), least(%(since)s, min(w.due)) - interval '1 microsecond'
FROM upkeep.windows w
WHERE w.target = %(target)s AND w.cadence = %(cadence)s AND w.kind = 'calendar' AND w.opened_at < w.deadline  -- no backfill
ON CONFLICT (target, cadence) DO NOTHING
