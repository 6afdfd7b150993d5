-- A missed window that somebody gives up, with who and why; the calendar's lock is held, so that no judge is about to
-- make it late.
UPDATE upkeep.due_windows
SET state = 'waived', reason = %(reason)s, changed_at = clock_timestamp()
WHERE target = %(target)s AND cadence = %(cadence)s AND due = %(due)s AND state = 'missed'
RETURNING due
