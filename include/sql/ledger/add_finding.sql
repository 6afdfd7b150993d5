-- Findings keep the order in which their check yielded them.
INSERT INTO upkeep.findings (step_id, position, key, level, subject, detail, expected, remedy, guide, metadata)
VALUES (%(step_id)s, %(position)s, %(key)s, %(level)s, %(subject)s, %(detail)s, %(expected)s, %(remedy)s, %(guide)s, %(metadata)s)
