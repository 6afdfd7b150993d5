-- What became of windows that were not settled; a trigger refuses to change one that is.
UPDATE upkeep.due_windows d
SET state = c.state, reason = c.reason, changed_at = clock_timestamp()
FROM unnest(%(target)s::text[], %(cadence)s::text[], %(due)s::timestamptz[], %(state)s::text[], %(reason)s::text[])
     AS c (target, cadence, due, state, reason)
WHERE (d.target, d.cadence, d.due) = (c.target, c.cadence, c.due)
