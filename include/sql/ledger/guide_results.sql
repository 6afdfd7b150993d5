-- G138: which items of the guide had a result, so that one that no window looks at any more is missed.
-- An item is known by having been reported before. An unknown finding is no result, and of each window's step its latest
-- try counts, as in the report.
WITH latest AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.state, w.due
    FROM upkeep.windows w
    JOIN upkeep.steps s ON s.window_id = w.id
    WHERE w.target = %(target)s AND w.due >= %(since)s AND w.due < %(end)s
    ORDER BY s.window_id, s.step, s.id DESC
)
SELECT f.guide, max(l.due) AS last, bool_or(l.due >= %(start)s) AS inside
FROM latest l
JOIN upkeep.findings f ON f.step_id = l.id
WHERE l.state = 'ran' AND f.level <> 'unknown' AND f.guide ~ '^G[0-9]{1,4}$'
GROUP BY f.guide
ORDER BY substr(f.guide, 2)::int
