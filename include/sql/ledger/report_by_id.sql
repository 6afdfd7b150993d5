-- G11: one report by its address, only under its own DAG: that is what the reader's permission was checked for.
SELECT r.id, r.html, r.body
FROM upkeep.reports r
WHERE r.id = %(report_id)s
  AND r.dag_id = %(dag_id)s
