-- G11: the reports of one DAG, newest first, without their text; 201 rows tell that there are more than 200.
SELECT r.id, r.run_id, r.made_at, r.level, r.headline, w.target, w.cadence, w.kind, w.due,
       EXISTS (SELECT FROM upkeep.reports n
               WHERE n.dag_id = r.dag_id AND n.run_id = r.run_id AND n.instance <> r.instance AND n.id > r.id) AS replaced
FROM upkeep.reports r
JOIN upkeep.windows w ON w.id = r.window_id
WHERE r.dag_id = %(dag_id)s
ORDER BY r.id DESC
LIMIT 201
