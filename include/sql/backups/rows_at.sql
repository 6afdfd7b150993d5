-- G103: whether the rows of two moments are in a copy.
SELECT count(*) FILTER (WHERE t.{time} = {at}) AS at, count(*) FILTER (WHERE t.{time} = {earlier}) AS earlier
FROM {table} t
WHERE t.{time} IN ({at}, {earlier})
