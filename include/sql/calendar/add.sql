-- One row for each window of the calendar, whether or not it had a run.
INSERT INTO upkeep.due_windows (target, cadence, due, deadline, state, reason)
SELECT * FROM unnest(%(target)s::text[], %(cadence)s::text[], %(due)s::timestamptz[], %(deadline)s::timestamptz[],
                     %(state)s::text[], %(reason)s::text[])
ON CONFLICT (target, cadence, due) DO NOTHING
