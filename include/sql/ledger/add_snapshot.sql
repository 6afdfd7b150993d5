-- What a step saw as a whole, for the next look to be compared with.
INSERT INTO upkeep.snapshots (step_id, body, digest) VALUES (%(step_id)s, %(body)s, %(digest)s)
