-- G11: the reports of one DAG without their text, the latest window first, of a window the newest version first; 201 rows
-- tell that there are more than 200. Superseded is one that a later window of its cadence has taken the place of; what
-- a first Sunday's weekly window found is nowhere else.
SELECT r.id, r.window_id, r.run_id, r.made_at, r.level, r.headline, w.target, w.cadence, w.kind, w.due,
       EXISTS (SELECT FROM upkeep.reports n
               WHERE n.dag_id = r.dag_id AND n.run_id = r.run_id AND n.instance <> r.instance AND n.id > r.id) AS replaced,
       r.headline LIKE 'Superseded by the window of %%' AS superseded
FROM upkeep.reports r
JOIN upkeep.windows w ON w.id = r.window_id
WHERE r.dag_id = %(dag_id)s
ORDER BY w.due DESC, w.id DESC, r.id DESC
LIMIT 201
