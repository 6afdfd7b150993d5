-- The newest sample of each metric that a target's windows took, and what it was judged to be.
SELECT t.target, n.metric, m.value, m.taken_at, m.level
FROM unnest(%(targets)s::text[]) AS t (target)
CROSS JOIN unnest(%(metrics)s::text[]) AS n (metric)
CROSS JOIN LATERAL (
    SELECT s.value, s.taken_at, f.level
    FROM upkeep.samples s
    JOIN upkeep.steps p ON p.id = s.step_id
    JOIN upkeep.windows w ON w.id = p.window_id
    LEFT JOIN upkeep.findings f ON f.step_id = s.step_id AND f.key = 'metric:' || n.metric
    WHERE s.metric = n.metric AND s.subject = '' AND w.target = t.target
    ORDER BY s.taken_at DESC
    LIMIT 1
) m
