-- The same for one table in another schema that config names: a log, the consents, what is kept for so many days.
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON {schema}.{table} TO {role};
