-- G30: which share of a log's rows is beyond the retention of a class: of a sample of its blocks, for a log has many. The
-- same blocks each time, so that a number that moves has a reason. How old a row without a time is nobody knows.
SELECT count(*) AS rows,
       count(*) FILTER (WHERE t.{time} < {before} AND {belongs}) AS old,
       count(*) FILTER (WHERE t.{time} IS NULL AND {belongs}) AS without_time
FROM {table} t TABLESAMPLE SYSTEM ({percent}) REPEATABLE (30)
