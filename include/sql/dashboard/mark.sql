-- A person has gone through a row of a report (G118-G132); the first who says so stays.
INSERT INTO upkeep.checklist_marks (report_id, guide, person, role, comment)
VALUES (%(report_id)s, %(guide)s, %(person)s, %(role)s, %(comment)s)
ON CONFLICT (report_id, guide) DO NOTHING
RETURNING guide
