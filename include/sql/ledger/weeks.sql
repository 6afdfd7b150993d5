-- G17: some metrics by week, counted back from a moment; each window's latest tries count, of several windows the median.
WITH latest AS (
    SELECT DISTINCT ON (s.window_id, s.step) s.id, s.state, w.period_end
    FROM upkeep.windows w
    JOIN upkeep.steps s ON s.window_id = w.id
    WHERE w.target = %(target)s AND w.period_end <= %(end)s
      AND w.period_end > %(end)s - (%(weeks)s + 1) * interval '7 days'
    ORDER BY s.window_id, s.step, s.id DESC
)
SELECT m.metric, m.subject,
       floor(extract(epoch FROM %(end)s - l.period_end) / 604800)::int AS ago,
       percentile_cont(0.5) WITHIN GROUP (ORDER BY m.value) AS value
FROM latest l
JOIN upkeep.samples m ON m.step_id = l.id
WHERE l.state = 'ran' AND m.metric = ANY (%(metrics)s)
GROUP BY m.metric, m.subject, ago
