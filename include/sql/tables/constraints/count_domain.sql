-- G60: values of one column for which a domain's CHECK is false, counted up to a limit; null passes, as it does for the
-- server. The expression calls the value VALUE, which is the column's name here.
SELECT count(*) AS violators
FROM (SELECT FROM (SELECT {column}::{base} {collation} AS value FROM ONLY {table}) AS v
      WHERE NOT ({expression})
      LIMIT {most}) AS w
