-- G101: tablespaces lie in folders of their own, which replayed WAL writes to wherever it is replayed.
SELECT spcname::text AS name FROM pg_tablespace WHERE spcname NOT IN ('pg_default', 'pg_global') ORDER BY 1
