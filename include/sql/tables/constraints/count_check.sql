-- G60: rows for which a CHECK is false, counted up to a limit; null passes, as it does for the server. The table has no
-- other name here: an expression about a whole row calls it by its own.
SELECT count(*) AS violators FROM (SELECT FROM {table} WHERE NOT ({expression}) LIMIT {most}) AS v
