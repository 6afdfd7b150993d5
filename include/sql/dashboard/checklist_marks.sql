-- Who has gone through which rows of some daily reports (G118-G122).
SELECT report_id, guide, person, role, comment, marked_at
FROM upkeep.checklist_marks
WHERE report_id = ANY (%(reports)s)
