-- G8, G11: a function's whole answer with its digest, kept beside the findings it led to.
INSERT INTO upkeep.answers (step_id, function, action, body, digest)
VALUES (%(step_id)s, %(function)s, %(action)s, %(body)s, %(digest)s)
