-- G51: what clients can really have: max_connections less the slots kept for superusers and for reserved roles.
SELECT current_setting('max_connections')::int
       - current_setting('superuser_reserved_connections')::int
       - current_setting('reserved_connections')::int AS available
