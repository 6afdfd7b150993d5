-- G83: how far the log of processing reaches back, by the first entry of its time index. What no calendar of ours holds
-- (infinity, years BC) is told as the nearest one that it does. A row without a time is none of any age: whether there
-- is one the same index tells.
SELECT CASE WHEN o.oldest < '0002-01-01' THEN '0002-01-01' WHEN o.oldest >= '9999-01-01' THEN '9998-12-31'
            ELSE o.oldest END AS oldest,
       EXISTS (SELECT FROM {schema}.{table} n WHERE n.{time} IS NULL) AS without_time
FROM (SELECT min(p.{time}) AS oldest FROM {schema}.{table} p) o
