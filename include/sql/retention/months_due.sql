-- G15: the months that hold rows of a class that are due and under no hold: each is archived, then deleted, on its own.
SELECT date_trunc('month', t.{time}::timestamptz) AS month, count(*) AS rows, sum({size})::bigint AS bytes
FROM {table} t
WHERE {due}
GROUP BY 1
ORDER BY 1
