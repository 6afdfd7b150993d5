-- G15: how many rows before a moment each part of a log has, and how many of them are due: a partition is archived and dropped
-- as a whole only where all of its rows are.
SELECT t.tableoid::bigint AS oid,
       count(*) AS rows,
       count(*) FILTER (WHERE {due}) AS due
FROM {table} t
WHERE t.{time} < {before}
GROUP BY 1
