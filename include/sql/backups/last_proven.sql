-- G102: when a drill last restored the newest backup of each target, noticed the bad one that it was given, and left nothing
-- critical or unknown but the canary, which proves nothing more of the backup; in which run, and what it measured (seconds; all
-- but the first are null where they were not measured).
-- Drills are found by the time that they took.
SELECT DISTINCT ON (w.target) w.target, s.ended_at AS at, w.dag_id, s.run_id, x.value AS recovery_time,
    (SELECT y.value FROM upkeep.samples y WHERE y.step_id = s.id AND y.metric = 'recovery_point') AS recovery_point,
    (SELECT y.value FROM upkeep.samples y WHERE y.step_id = s.id AND y.metric = 'canary_age') AS canary_age
FROM upkeep.samples x
JOIN upkeep.steps s ON s.id = x.step_id
JOIN upkeep.windows w ON w.id = s.window_id
WHERE x.metric = 'recovery_time' AND w.target = ANY (%(targets)s)
  AND EXISTS (SELECT FROM upkeep.findings f WHERE f.step_id = s.id AND f.key = 'drill' AND f.level = 'ok')
  AND EXISTS (SELECT FROM upkeep.findings f WHERE f.step_id = s.id AND f.key = 'drill:control' AND f.level = 'ok')
  AND NOT EXISTS (
    SELECT FROM upkeep.findings f
    WHERE f.step_id = s.id AND f.key LIKE 'drill%%' AND f.key <> 'drill:canary' AND f.level IN ('critical', 'unknown'))
ORDER BY w.target, s.ended_at DESC
