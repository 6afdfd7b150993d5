-- G31: one sample of a target and poll; of two triggerers the second one finds the slot taken and gets no row.
INSERT INTO upkeep.watch_samples (target, slot, taken_at, level, health, metrics, latencies, during)
VALUES (%(target)s, %(slot)s, %(taken_at)s, %(level)s, %(health)s, %(metrics)s, %(latencies)s, %(during)s)
ON CONFLICT (target, slot) DO NOTHING
RETURNING slot
