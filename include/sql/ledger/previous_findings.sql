-- What was not ok when each step last looked before this window: the other side of "new" and "gone".
-- A step that could not look since then (failed, dry run, left out) keeps what it saw when it last ran, and what it
-- said of its failures comes beside that. Of each window's step its latest try counts, as in the report.
WITH recent AS (
    SELECT w.id, w.due
    FROM upkeep.windows w
    WHERE w.target = %(target)s AND w.cadence = %(cadence)s AND w.due < %(due)s
    ORDER BY w.due DESC, w.id DESC
    LIMIT %(windows)s
),
latest AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.step, s.state, r.due
    FROM recent r
    JOIN upkeep.steps s ON s.window_id = r.id
    ORDER BY s.window_id, s.step, s.id DESC
),
ran AS (
    SELECT l.step, max(l.due) AS due
    FROM latest l
    WHERE l.state = 'ran'
    GROUP BY l.step
)
SELECT DISTINCT ON (l.step, f.key) l.step, l.due, f.key, f.level,
       left(f.subject, 300) AS subject, left(f.detail, 300) AS detail
FROM latest l
LEFT JOIN ran ON ran.step = l.step
JOIN upkeep.findings f ON f.step_id = l.id
WHERE f.level <> 'ok' AND l.due >= coalesce(ran.due, '-infinity')
ORDER BY l.step, f.key, l.due DESC, array_position(ARRAY['critical', 'unknown', 'warning', 'advisory'], f.level)
