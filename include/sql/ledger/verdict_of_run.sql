-- The verdict task judges the newest report of its run instance, never that of a deleted run with its id.
SELECT r.id, r.body, r.headline, r.digest
FROM upkeep.reports r
WHERE r.dag_id = %(dag_id)s AND r.run_id = %(run_id)s AND r.instance = %(instance)s
ORDER BY r.id DESC
LIMIT 1
