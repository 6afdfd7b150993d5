-- G118-G122: of a cadence's calendar windows that are too old to be listed, how many rows of the newest report nobody has
-- acknowledged; each has so many rows.
SELECT w.target, sum(greatest(%(rows)s - m.marked, 0))::int AS open
FROM upkeep.windows w
JOIN LATERAL (
    SELECT r.id
    FROM upkeep.reports r
    WHERE r.window_id = w.id AND r.headline NOT LIKE 'Dry run:%%'
    ORDER BY r.made_at DESC, r.id DESC
    LIMIT 1
) r ON true
CROSS JOIN LATERAL (SELECT count(*) AS marked FROM upkeep.checklist_marks k WHERE k.report_id = r.id) m
WHERE w.target = ANY (%(targets)s) AND w.cadence = %(cadence)s AND w.kind = 'calendar' AND w.due <= %(until)s
GROUP BY w.target
