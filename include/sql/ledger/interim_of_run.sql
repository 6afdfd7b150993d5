-- What people were shown before they answered: the newest interim report of the newest run that has this id.
SELECT i.html
FROM upkeep.interim_reports i
WHERE i.dag_id = %(dag_id)s AND i.run_id = %(run_id)s
ORDER BY i.id DESC
LIMIT 1
