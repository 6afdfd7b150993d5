-- Who said yes in a run instance, to its plan or to one of its sheets, and for which role: one person is one role in a window.
SELECT d.person, d.role
FROM upkeep.decisions d
JOIN upkeep.plans p ON p.digest = d.digest
WHERE p.dag_id = %(dag_id)s AND p.run_id = %(run_id)s AND p.instance = %(instance)s AND cardinality(d.action_ids) > 0
