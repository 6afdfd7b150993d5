-- G103: a row of a log with the most quiet on both sides: recovery can be stopped before it and behind it, and is told by it.
-- The newest 10,000 rows of the time in question are looked at.
SELECT r.earlier, r.at, r.later
FROM (SELECT lag(n.at) OVER by_time AS earlier, n.at, lead(n.at) OVER by_time AS later
      FROM (SELECT t.{time}::timestamptz AS at
            FROM {table} t
            WHERE t.{time} >= {start} AND t.{time} < {end}
            ORDER BY t.{time} DESC
            LIMIT 10000) n
      WINDOW by_time AS (ORDER BY n.at)) r
WHERE r.earlier IS NOT NULL AND r.later IS NOT NULL
ORDER BY least(r.at - r.earlier, r.later - r.at) DESC, r.at DESC
LIMIT 1
