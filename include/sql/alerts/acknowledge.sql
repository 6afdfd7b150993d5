-- Silent until it clears, or until a moment; what gets worse than it is now is told again.
UPDATE upkeep.alerts
SET acknowledged_by = %(by)s, acknowledged_why = %(why)s, acknowledged_level = level, acknowledged_until = %(until)s
WHERE target = %(target)s AND ended_at IS NULL AND (key = %(key)s OR id::text = %(key)s)
RETURNING id, key, level, cause
