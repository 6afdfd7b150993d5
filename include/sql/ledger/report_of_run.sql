-- G11: the latest report of one run: a final one, else an interim one; clearing its tasks writes another, and the older
-- ones keep their own address. Airflow gives the id of a deleted run again: the one that is there now comes first, else the
-- one that reported last. How many other such runs there were, and whether people were asked upon an interim report, before
-- a final one or anew after it, is said beside it.
WITH mine AS (
    SELECT r.id, r.html, r.body, r.made_at, r.instance, false AS interim
    FROM upkeep.reports r
    WHERE r.dag_id = %(dag_id)s AND r.run_id = %(run_id)s
    UNION ALL
    SELECT i.id, i.html, i.body, i.made_at, i.instance, true
    FROM upkeep.interim_reports i
    WHERE i.dag_id = %(dag_id)s AND i.run_id = %(run_id)s
),
newest AS (
    SELECT *, max(made_at) OVER (PARTITION BY instance) AS reported_at
    FROM mine
)
SELECT r.html, r.body, r.instance <> %(instance)s::text AS of_earlier,
       (SELECT count(DISTINCT e.instance) FROM mine e WHERE e.instance <> r.instance) AS earlier_runs,
       NOT r.interim AND a.at IS NOT NULL AS asked, a.at > r.made_at AS asked_anew
FROM newest r
CROSS JOIN LATERAL (SELECT max(i.made_at) AS at FROM mine i WHERE i.interim AND i.instance = r.instance) a
ORDER BY r.instance IS NOT DISTINCT FROM %(instance)s DESC, r.reported_at DESC, r.interim, r.made_at DESC, r.id DESC
LIMIT 1
