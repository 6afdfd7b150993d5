-- As of what the pages' shared rows of a target are: this changes with every window, step and report of it that is added. The
-- newest number alone would miss one that was taken before it and committed after it, so those of the last three to four
-- hundred numbers are counted as well; where counting begins moves once in a hundred numbers, and with it all marks once.
-- A window among these that is opened again shows where its transaction began after all others' did; one that does not, or
-- that is older, shows with its next step or report, or when shared rows are five minutes old.
SELECT n.target, max(n.opened_at) AS opened,
       max(n.id) FILTER (WHERE n.what = 'window') AS window, count(*) FILTER (WHERE n.what = 'window') AS windows,
       max(n.id) FILTER (WHERE n.what = 'step') AS step, count(*) FILTER (WHERE n.what = 'step') AS steps,
       max(n.id) FILTER (WHERE n.what = 'report') AS report, count(*) FILTER (WHERE n.what = 'report') AS reports
FROM (
    SELECT 'window' AS what, id, target, opened_at
    FROM upkeep.windows
    WHERE id > ((SELECT max(id) FROM upkeep.windows) / 100 - 3) * 100
    UNION ALL
    SELECT 'step', s.id, w.target, NULL
    FROM upkeep.steps s
    JOIN upkeep.windows w ON w.id = s.window_id
    WHERE s.id > ((SELECT max(id) FROM upkeep.steps) / 100 - 3) * 100
    UNION ALL
    SELECT 'report', r.id, w.target, NULL
    FROM upkeep.reports r
    JOIN upkeep.windows w ON w.id = r.window_id
    WHERE r.id > ((SELECT max(id) FROM upkeep.reports) / 100 - 3) * 100
) n
GROUP BY n.target
