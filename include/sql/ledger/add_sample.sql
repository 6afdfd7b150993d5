-- Measured numbers, for growth, trends and baselines.
INSERT INTO upkeep.samples (step_id, metric, subject, value, unit)
VALUES (%(step_id)s, %(metric)s, %(subject)s, %(value)s, %(unit)s)
