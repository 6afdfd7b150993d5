-- A drop gives the index a name of its own first (docs/adr/0013), and making it again is CREATE INDEX: both take CREATE
-- in its schema, which the owner of the tables has lost, or never had when somebody else made them.
GRANT CREATE ON SCHEMA {schema} TO {owner};
