-- G31: what the watch's newest sample of a target holds, as trends are named.
SELECT k.metric, k.subject
FROM (
    SELECT s.metrics, s.latencies
    FROM upkeep.watch_samples s
    WHERE s.target = %(target)s
    ORDER BY s.slot DESC
    LIMIT 1
) n
CROSS JOIN LATERAL (
    SELECT jsonb_object_keys(n.metrics) AS metric, '' AS subject
    UNION ALL
    SELECT 'latency', jsonb_object_keys(n.latencies)
) k
ORDER BY k.metric, k.subject
