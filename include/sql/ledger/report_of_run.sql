-- G11: the latest report of one run; clearing its tasks writes another, and the older ones keep their own address.
SELECT r.id, r.html, r.body
FROM upkeep.reports r
WHERE r.dag_id = %(dag_id)s
  AND r.run_id = %(run_id)s
ORDER BY r.id DESC
LIMIT 1
