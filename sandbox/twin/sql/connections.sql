-- G35, G51: client backends as a share of the slots that clients can have; background processes take none of them.
SELECT (100.0 * c.connections / c.available_connections)::float8 AS database_connections_percent,
       c.connections, c.available_connections, c.max_connections
FROM (SELECT count(*) AS connections,
             current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
                 - coalesce(current_setting('reserved_connections', true)::int, 0) AS available_connections,
             current_setting('max_connections')::int AS max_connections
      FROM pg_catalog.pg_stat_activity a
      WHERE a.backend_type = 'client backend') AS c
