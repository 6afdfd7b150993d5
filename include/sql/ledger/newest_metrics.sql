-- The newest sample of each metric that a target's windows or the watch took, and what it was judged to be; of the watch
-- what holds by now.
SELECT t.target, n.metric, m.value, m.taken_at, m.level
FROM unnest(%(targets)s::text[]) AS t (target)
CROSS JOIN unnest(%(metrics)s::text[]) AS n (metric)
CROSS JOIN LATERAL (
    (
        SELECT s.value, s.taken_at, f.level
        FROM upkeep.samples s
        JOIN upkeep.steps p ON p.id = s.step_id
        JOIN upkeep.windows w ON w.id = p.window_id
        LEFT JOIN upkeep.findings f ON f.step_id = s.step_id AND f.key = 'metric:' || n.metric
        WHERE s.metric = n.metric AND s.subject = '' AND w.target = t.target
        ORDER BY s.taken_at DESC
        LIMIT 1
    )
    UNION ALL
    (
        SELECT (s.metrics ->> n.metric)::double precision, s.taken_at, h.level
        FROM upkeep.watch_samples s
        LEFT JOIN upkeep.watch_states h ON h.target = s.target AND h.key = 'metric:' || n.metric
        WHERE s.target = t.target AND s.metrics ? n.metric
        ORDER BY s.slot DESC
        LIMIT 1
    )
    ORDER BY taken_at DESC
    LIMIT 1
) m
