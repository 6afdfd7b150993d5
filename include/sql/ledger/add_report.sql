-- Reports are only ever added: a run that is cleared and repeated leaves the earlier page where it was (G11).
INSERT INTO upkeep.reports (window_id, dag_id, run_id, instance, level, headline, html, body, digest)
VALUES (%(window_id)s, %(dag_id)s, %(run_id)s, %(instance)s, %(level)s, %(headline)s, %(html)s, %(body)s, %(digest)s)
RETURNING id
