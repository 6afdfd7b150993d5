-- As of what the pages' shared rows are: this changes with every window, step and report that is added. The newest number
-- alone would miss one that was taken before it and committed after it, so the last 300 are counted back and forth. A
-- window of the newest 300 that is opened again shows where its transaction began after all others' did; one that does not,
-- or that is older, shows with its next step or report, or when shared rows are a minute old.
SELECT w.mark AS windows, w.opened, s.mark AS steps, r.mark AS reports
FROM (SELECT ARRAY[max(id), min(id), count(*)] AS mark, max(opened_at) AS opened
      FROM (SELECT id, opened_at FROM upkeep.windows ORDER BY id DESC LIMIT 300) l) w,
     (SELECT ARRAY[max(id), min(id), count(*)] AS mark
      FROM (SELECT id FROM upkeep.steps ORDER BY id DESC LIMIT 300) l) s,
     (SELECT ARRAY[max(id), min(id), count(*)] AS mark
      FROM (SELECT id FROM upkeep.reports ORDER BY id DESC LIMIT 300) l) r
