-- X13: which backend answers this statement, and whether it knows what this client has set for its session. Compared
-- here: a role whose client_encoding is SQL_ASCII gets texts as bytes.
SELECT pg_catalog.pg_backend_pid() AS pid, coalesce(pg_catalog.current_setting('upkeep.pooling_probe', true), '') OPERATOR(pg_catalog.=) %(marker)s AS kept
