-- G102: when a drill last restored the newest backup of each target, and noticed the bad one that it was given. Drills are
-- found by the time that they measured.
SELECT w.target, max(s.ended_at) AS at
FROM upkeep.samples x
JOIN upkeep.steps s ON s.id = x.step_id
JOIN upkeep.windows w ON w.id = s.window_id
WHERE x.metric = 'recovery_time' AND w.target = ANY (%(targets)s)
  AND EXISTS (SELECT FROM upkeep.findings f WHERE f.step_id = s.id AND f.key = 'drill' AND f.level = 'ok')
  AND EXISTS (SELECT FROM upkeep.findings f WHERE f.step_id = s.id AND f.key = 'drill:control' AND f.level = 'ok')
GROUP BY w.target
