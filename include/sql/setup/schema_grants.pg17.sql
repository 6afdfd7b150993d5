-- The same for what lies in another schema.
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT MAINTAIN ON ALL TABLES IN SCHEMA {schema} TO {role};
ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT MAINTAIN ON TABLES TO {role};
