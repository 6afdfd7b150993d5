-- G118-G122: of a cadence's calendar windows that are too old to be listed, and not much older, how many rows of the newest
-- report nobody has acknowledged; each has so many rows, less those of a late window that a later one has taken over. What was
-- due before anybody had acknowledged a row at all was asked of nobody. Bodies are large: those of late reports alone are read.
SELECT w.target, sum(greatest(%(rows)s - m.settled, 0))::int AS open
FROM upkeep.windows w
JOIN LATERAL (
    SELECT r.id, r.made_at, r.body
    FROM upkeep.reports r
    WHERE r.window_id = w.id AND r.headline NOT LIKE 'Dry run:%%' AND r.headline NOT LIKE 'Superseded by the window of %%'
    ORDER BY r.made_at DESC, r.id DESC
    LIMIT 1
) r ON true
CROSS JOIN LATERAL (
    SELECT count(*) AS settled
    FROM (
        SELECT k.guide
        FROM upkeep.checklist_marks k
        WHERE k.report_id = r.id
        UNION
        SELECT one ->> 'guide'
        FROM json_array_elements(CASE WHEN r.made_at > w.deadline THEN r.body::json -> 'checklist' END) AS one
        WHERE one ->> 'state' = 'superseded'
    ) settled
) m
WHERE w.target = ANY (%(targets)s) AND w.cadence = %(cadence)s AND w.kind = 'calendar'
  AND w.due > %(after)s AND w.due <= %(until)s
  AND w.due >= (SELECT marked_at FROM upkeep.checklist_marks ORDER BY id LIMIT 1)
GROUP BY w.target
