-- Samples that have become hours and are older than config keeps them.
DELETE FROM upkeep.watch_samples s
USING upkeep.watch_hours h
WHERE h.target = s.target AND h.hour = date_trunc('hour', s.slot, 'UTC')
      AND s.slot < date_trunc('hour', %(before)s::timestamptz, 'UTC')
