-- G118: the platform's own alerts of the period by metric and severity, and how many nobody has acknowledged.
SELECT left(l.{metric}::text, 200) AS metric,
       left(l.{severity}::text, 40) AS severity,
       count(*) AS alerts,
       count(*) FILTER (WHERE NOT l.{acknowledged}) AS open_alerts
FROM {schema}.{table} l
WHERE l.{time} >= %(start)s AND l.{time} < %(end)s
GROUP BY 1, 2
ORDER BY open_alerts DESC, alerts DESC, 1, 2
LIMIT 50
