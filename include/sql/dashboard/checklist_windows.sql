-- G118-G132: a cadence's windows of some time that have a report, the newest first, with the rows of its checklist where
-- they are asked for. Of the daily ones those of the calendar; a dry run has looked at nothing, nor has a window whose plan
-- was superseded; a daily one has no plan, and who carries it out late is asked about what it could still see: which rows
-- it could not is read of those that were late alone. Of a window the newest run counts, and its final report.
SELECT w.id, w.target, w.cadence, w.kind, w.due, r.id AS report_id, r.made_at, r.first_at, r.dag_id, r.run_id,
       r.instance, r.interim,
       CASE WHEN %(rows)s THEN r.body::json -> 'checklist' END AS rows,
       CASE WHEN r.made_at > w.deadline THEN ARRAY(
           SELECT one ->> 'guide' FROM json_array_elements(r.body::json -> 'checklist') AS one
           WHERE one ->> 'state' = 'superseded'
       ) ELSE '{}' END AS superseded
FROM upkeep.windows w
JOIN LATERAL (
    SELECT *, min(made_at) OVER () AS first_at, max(made_at) OVER (PARTITION BY instance) AS newest
    FROM (
        SELECT id, made_at, dag_id, run_id, instance, body, false AS interim
        FROM upkeep.reports
        WHERE window_id = w.id AND headline NOT LIKE 'Dry run:%%' AND headline NOT LIKE 'Superseded by the window of %%'
        UNION ALL
        SELECT id, made_at, dag_id, run_id, instance, body, true
        FROM upkeep.interim_reports
        WHERE window_id = w.id
    ) made
    ORDER BY newest DESC, interim, made_at DESC, id DESC
    LIMIT 1
) r ON true
WHERE w.target = ANY (%(targets)s) AND w.cadence = %(cadence)s AND w.due > %(after)s AND w.due <= %(now)s
  AND (w.cadence <> 'daily' OR w.kind = 'calendar')
ORDER BY w.target, w.due DESC, w.id DESC
