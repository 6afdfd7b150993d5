-- Since when each finding has not been ok: the first look after the last window whose same step ran without it; when that
-- one looked, where that was before (a window may be carried out late), and when the finding was seen first of all.
-- Of each window's step its latest try counts, as in the report. One that could not see all (a finding of it is unknown, as
-- where an extension is missing) does not say that anything is gone.
WITH latest AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.step, s.state, s.started_at, w.due,
           EXISTS (SELECT FROM upkeep.findings f WHERE f.step_id = s.id AND f.level = 'unknown') AS blind
    FROM upkeep.steps s
    JOIN upkeep.windows w ON w.id = s.window_id
    WHERE w.target = %(target)s AND w.due <= %(due)s
    ORDER BY s.window_id, s.step, s.id DESC
),
bad AS (
    SELECT f.key, l.step, l.due, l.started_at
    FROM latest l
    JOIN upkeep.findings f ON f.step_id = l.id
    WHERE f.key = ANY (%(keys)s) AND f.level <> 'ok'
),
clear AS (
    SELECT DISTINCT ON (b.key) b.key, l.due, l.started_at
    FROM (SELECT DISTINCT key, step FROM bad) b
    JOIN latest l ON l.step = b.step AND l.state = 'ran' AND NOT l.blind AND l.due < %(due)s
    WHERE NOT EXISTS (SELECT FROM bad WHERE bad.key = b.key AND bad.due = l.due)
    ORDER BY b.key, l.due DESC, l.started_at DESC
)
SELECT key, since, CASE WHEN after < since THEN after END AS after, first
FROM (
    SELECT
        bad.key,
        min(bad.started_at) FILTER (WHERE bad.due > coalesce(clear.due, '-infinity')) AS since,
        max(clear.started_at) AS after,
        min(bad.started_at) AS first
    FROM bad
    LEFT JOIN clear ON clear.key = bad.key
    GROUP BY bad.key
) seen
WHERE since IS NOT NULL
