-- What the role of the target's `maintain` Connection needs to archive a log (config/retention.yaml): to read it, whole. A
-- policy that hides rows makes an archive fail. It deletes nothing: no DELETE is granted.
GRANT USAGE ON SCHEMA {schema} TO {role};
GRANT SELECT ON {schema}.{table} TO {role};
