-- Some metrics by calendar month (UTC), oldest first; each window's latest tries count, of several windows the median.
WITH latest AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.state, date_trunc('month', w.due, 'UTC') AS month
    FROM upkeep.windows w
    JOIN upkeep.steps s ON s.window_id = w.id
    WHERE w.target = %(target)s AND w.due <= %(end)s
      AND w.due >= date_trunc('month', %(end)s::timestamptz, 'UTC') - (%(months)s - 1) * interval '1 month'
    ORDER BY s.window_id, s.step, s.id DESC
)
SELECT m.metric, l.month, percentile_cont(0.5) WITHIN GROUP (ORDER BY m.value) AS value
FROM latest l
JOIN upkeep.samples m ON m.step_id = l.id
WHERE l.state = 'ran' AND m.metric = ANY (%(metrics)s) AND m.subject = ''
GROUP BY m.metric, l.month
ORDER BY m.metric, l.month
