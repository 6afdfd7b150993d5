-- What the role of the target's `read` Connection needs: to look, and nothing else.
-- Run as a superuser (on Supabase: as postgres) in the maintained database.
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT pg_monitor TO {role};
GRANT USAGE ON SCHEMA public TO {role};
GRANT SELECT ON ALL TABLES IN SCHEMA public TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO {role};
ALTER ROLE {role} SET default_transaction_read_only = on;
