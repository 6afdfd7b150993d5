-- Who has gone through which rows of some reports (G118-G132).
SELECT report_id, guide, person, role, comment, marked_at
FROM upkeep.checklist_marks
WHERE report_id = ANY (%(reports)s)
