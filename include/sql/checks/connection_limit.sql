-- G51: what clients can really have: max_connections less the slots kept for superusers and reserved roles.
SELECT current_setting('max_connections')::int
       - current_setting('superuser_reserved_connections')::int
       - coalesce(current_setting('reserved_connections', true)::int, 0) AS available
