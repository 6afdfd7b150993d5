-- G29: when a step last used each kind of Connection with success, as far as steps, answers and receipts tell.
-- A step that ran and brought an unknown finding may not have reached what it asked.
WITH ran AS (
    SELECT s.id, s.source, s.ended_at,
           EXISTS (SELECT FROM upkeep.findings f WHERE f.step_id = s.id AND f.level = 'unknown') AS doubtful
    FROM upkeep.windows w
    JOIN upkeep.steps s ON s.window_id = w.id
    WHERE w.target = %(target)s AND w.due > %(since)s AND s.state = 'ran'
)
SELECT 'functions' AS used, max(r.ended_at) AS at
FROM ran r
JOIN upkeep.answers a ON a.step_id = r.id
UNION ALL
SELECT 'read', max(r.ended_at)
FROM ran r
WHERE r.source LIKE 'include/sql/%%' AND r.source NOT LIKE 'include/sql/ledger/%%'
UNION ALL
SELECT 'registry', max(r.ended_at)
FROM ran r
WHERE r.source LIKE 'npm %%' AND NOT r.doubtful
UNION ALL
SELECT 'backups', max(r.ended_at)
FROM ran r
WHERE r.source = 'the backup folder' AND NOT r.doubtful
UNION ALL
SELECT 'maintain', max(c.ended_at)
FROM upkeep.receipts c
JOIN upkeep.permits p ON p.id = c.permit_id
JOIN upkeep.plans n ON n.digest = p.digest
WHERE n.target = %(target)s AND c.outcome = 'done' AND c.ended_at > %(since)s
UNION ALL
SELECT 'ledger', max(r.ended_at)
FROM ran r
