-- What the role of the target's `maintain` Connection needs: VACUUM and ANALYZE of what lies in schema public, nothing else.
-- Dropping indexes takes an owner's rights: `python -m upkeep grants indexes` prints that.
-- Run as a superuser (on Supabase: as postgres) in the maintained database. The last line is for tables that whoever runs it
-- creates later; for another owner's say FOR ROLE.
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA public TO {role};
GRANT MAINTAIN ON ALL TABLES IN SCHEMA public TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT MAINTAIN ON TABLES TO {role};
