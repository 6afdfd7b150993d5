-- The same for what lies in another schema; VACUUM there comes with the owner's rights.
GRANT USAGE ON SCHEMA {schema} TO {role};
