-- G118-G122: the rows of the checklist of some reports, of those alone whose rows are shown: a report's body is large.
SELECT r.id AS report_id, r.body::json -> 'checklist' AS rows
FROM upkeep.reports r
WHERE r.id = ANY (%(reports)s)
