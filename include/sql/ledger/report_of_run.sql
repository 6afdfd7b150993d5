-- G11: the latest report of one run; clearing its tasks writes another, and the older ones keep their own address.
-- Airflow gives the id of a deleted run again: how many such runs there were before is said beside it.
SELECT r.id, r.html, r.body,
       (SELECT count(DISTINCT e.instance)
        FROM upkeep.reports e
        WHERE e.dag_id = r.dag_id AND e.run_id = r.run_id AND e.instance <> r.instance) AS earlier_runs
FROM upkeep.reports r
WHERE r.dag_id = %(dag_id)s
  AND r.run_id = %(run_id)s
ORDER BY r.id DESC
LIMIT 1
