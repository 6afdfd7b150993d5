-- What people were shown before they answered: the newest interim report of the run that has this id now, else of the
-- newest that had it.
SELECT i.html
FROM upkeep.interim_reports i
WHERE i.dag_id = %(dag_id)s AND i.run_id = %(run_id)s
ORDER BY i.instance IS NOT DISTINCT FROM %(instance)s DESC, i.id DESC
LIMIT 1
