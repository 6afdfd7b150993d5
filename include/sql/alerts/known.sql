-- Alerts that are open, and those whose end somebody has not been told of yet.
SELECT a.*, coalesce(t.told, '{}'::jsonb) AS told
FROM upkeep.alerts a
LEFT JOIN LATERAL (
    SELECT jsonb_object_agg(n.channel, jsonb_build_object('level', n.level, 'at', n.told_at, 'count', n.count)) AS told
    FROM (
        SELECT DISTINCT ON (g.channel) g.channel, g.level, g.told_at, count(*) OVER (PARTITION BY g.channel) AS count
        FROM upkeep.tellings g
        WHERE g.alert_id = a.id
        ORDER BY g.channel, g.id DESC
    ) n
) t ON true
WHERE NOT a.settled
ORDER BY a.id
