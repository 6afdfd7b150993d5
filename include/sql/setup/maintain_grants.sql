-- What the role of the target's `maintain` Connection needs: VACUUM and ANALYZE of what lies in schema public.
-- Before PostgreSQL 17 only a table's owner may do that, so this grants the owner's rights, all of them: guard the login.
-- Run as a superuser (on Supabase: as postgres) in the maintained database.
GRANT CONNECT ON DATABASE {database} TO {role};
GRANT USAGE ON SCHEMA public TO {role};
GRANT {owner} TO {role};
