-- Nobody waits to hear of these any more.
UPDATE upkeep.alerts SET settled = true WHERE id = ANY (%(ids)s) AND ended_at IS NOT NULL
