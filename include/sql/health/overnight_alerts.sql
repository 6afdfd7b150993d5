-- G118: the platform's own alerts of the period by metric and severity, and how many nobody has acknowledged; sums are
-- of all groups, also of those beyond the last row. Open critical ones come first: no number of others hides them.
WITH groups AS (
    SELECT coalesce(left(l.{metric}::text, 200), 'no metric') AS metric,
           coalesce(left(l.{severity}::text, 40), 'no severity') AS severity,
           count(*) AS alerts,
           count(*) FILTER (WHERE l.{acknowledged} IS NOT TRUE) AS open_alerts
    FROM {schema}.{table} l
    WHERE l.{time} >= %(start)s AND l.{time} < %(end)s
    GROUP BY 1, 2
)
SELECT g.*,
       (sum(g.alerts) OVER ())::bigint AS all_alerts,
       (sum(g.open_alerts) OVER ())::bigint AS all_open,
       count(*) FILTER (WHERE g.open_alerts > 0) OVER () AS open_groups
FROM groups g
ORDER BY g.open_alerts > 0 AND lower(g.severity) = 'critical' DESC, g.open_alerts DESC, g.alerts DESC, g.metric, g.severity
LIMIT %(shown)s
