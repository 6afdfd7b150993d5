-- G30: which share of a log's rows is beyond its retention: of a sample of its blocks, for a log has many. The same
-- blocks each time, so that a number that moves has a reason. How old a row without a time is nobody knows.
SELECT count(*) AS rows,
       count(*) FILTER (WHERE l.{time} < %(before)s) AS old,
       count(*) FILTER (WHERE l.{time} IS NULL) AS without_time
FROM {schema}.{table} l TABLESAMPLE SYSTEM (%(percent)s) REPEATABLE (30)
