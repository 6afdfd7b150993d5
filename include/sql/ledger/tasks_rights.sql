-- The tasks' role adds rows and must not own the tables (an owner could grant itself anything); the dashboard's only reads.
SELECT has_table_privilege('upkeep.findings', 'INSERT') AND has_table_privilege('upkeep.reports', 'INSERT') AS inserts,
       pg_has_role(c.relowner, 'USAGE') AS owns
FROM pg_class c
WHERE c.oid = 'upkeep.findings'::regclass
