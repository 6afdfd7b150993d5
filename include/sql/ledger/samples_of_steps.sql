-- The samples of the chosen tries, but for the addresses that a check remembers from day to day (G70).
SELECT m.metric, m.subject, m.value, m.unit
FROM upkeep.samples m
WHERE m.step_id = ANY (%(step_ids)s) AND m.metric !~ '^(last seen|read until) in '
ORDER BY m.id
