-- The windows of some cadences that were due in a stretch of time, the newest first: marks on a trend.
SELECT w.cadence, w.due, w.kind, w.dag_id, w.run_id, w.outcome,
       EXISTS (SELECT FROM upkeep.reports r WHERE r.window_id = w.id) AS reported
FROM upkeep.windows w
WHERE w.target = %(target)s AND w.cadence = ANY (%(cadences)s) AND w.due >= %(start)s AND w.due < %(end)s
ORDER BY w.due DESC, w.id DESC
LIMIT %(most)s
