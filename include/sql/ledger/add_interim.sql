-- What is known before people are asked; it gives its window no outcome, and no statement that counts verdicts reads it.
INSERT INTO upkeep.interim_reports (window_id, dag_id, run_id, instance, html, body, digest)
VALUES (%(window_id)s, %(dag_id)s, %(run_id)s, %(instance)s, %(html)s, %(body)s, %(digest)s)
RETURNING id
