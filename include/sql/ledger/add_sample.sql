-- Measured numbers, for growth, trends and baselines; taken now unless a time is given.
INSERT INTO upkeep.samples (step_id, metric, subject, value, unit, taken_at)
VALUES (%(step_id)s, %(metric)s, %(subject)s, %(value)s, %(unit)s,
        coalesce(%(taken_at)s::timestamptz, clock_timestamp()))
