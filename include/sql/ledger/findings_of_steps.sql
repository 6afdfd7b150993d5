-- The findings of the chosen tries.
SELECT f.step_id, f.key, f.level, f.subject, f.detail, f.expected, f.remedy, f.guide, f.metadata
FROM upkeep.findings f
WHERE f.step_id = ANY (%(step_ids)s)
ORDER BY f.step_id, f.position
