-- The samples of the chosen tries.
SELECT m.metric, m.subject, m.value, m.unit
FROM upkeep.samples m
WHERE m.step_id = ANY (%(step_ids)s)
ORDER BY m.id
