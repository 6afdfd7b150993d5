-- G35, G51: client backends as a share of the slots that clients can have; background processes take none of them.
SELECT (100.0 * count(*) / (current_setting('max_connections')::int
                            - current_setting('superuser_reserved_connections')::int
                            - coalesce(current_setting('reserved_connections', true)::int, 0)))::float8
       AS database_connections_percent
FROM pg_catalog.pg_stat_activity a
WHERE a.backend_type = 'client backend'
