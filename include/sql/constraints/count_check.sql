-- G60: rows for which a CHECK is false, counted up to a limit; null passes, as it does for the server.
SELECT count(*) AS violators FROM (SELECT FROM {table} AS t WHERE NOT ({expression}) LIMIT {most}) AS v
