-- The report gives the window its outcome.
UPDATE upkeep.windows SET outcome = %(outcome)s, closed_at = now() WHERE id = %(window_id)s
