-- G60: rows whose foreign key leads nowhere, counted up to a limit; which nulls excuse a row is for its MATCH to say.
SELECT count(*) AS violators
FROM (SELECT FROM {table} AS t
      WHERE {asked} AND NOT EXISTS (SELECT FROM {referenced} AS r WHERE {same})
      LIMIT {most}) AS v
