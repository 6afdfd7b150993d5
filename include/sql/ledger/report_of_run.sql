-- G11: the latest report of one run, which may be an interim one; clearing its tasks writes another, and the older ones
-- keep their own address. Airflow gives the id of a deleted run again: how many such runs there were before is said
-- beside it, and whether people were asked upon an interim report before a final one.
WITH mine AS (
    SELECT r.id, r.html, r.body, r.made_at, r.instance, false AS interim
    FROM upkeep.reports r
    WHERE r.dag_id = %(dag_id)s AND r.run_id = %(run_id)s
    UNION ALL
    SELECT i.id, i.html, i.body, i.made_at, i.instance, true
    FROM upkeep.interim_reports i
    WHERE i.dag_id = %(dag_id)s AND i.run_id = %(run_id)s
)
SELECT r.html, r.body,
       (SELECT count(DISTINCT e.instance) FROM mine e WHERE e.instance <> r.instance) AS earlier_runs,
       NOT r.interim AND EXISTS (SELECT FROM mine i WHERE i.interim AND i.instance = r.instance) AS asked_before
FROM mine r
ORDER BY r.made_at DESC, r.interim, r.id DESC
LIMIT 1
