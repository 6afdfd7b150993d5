-- G51: what clients can really have: max_connections less the slots kept for superusers.
SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int AS available
