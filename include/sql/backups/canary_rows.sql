-- G102: when canary rows were added to this table of this server, by the ledger, the newest first; about a year of daily windows.
SELECT (n.body ->> 'at')::timestamptz AS at
FROM upkeep.steps s
JOIN upkeep.windows w ON w.id = s.window_id
JOIN upkeep.snapshots n ON n.step_id = s.id
WHERE w.target = %(target)s AND split_part(s.step, '.', -1) = 'canary' AND s.state = 'ran'
  AND n.body ->> 'system_identifier' = %(server)s AND (n.body ->> 'table')::bigint = %(table)s
ORDER BY 1 DESC
LIMIT 400
