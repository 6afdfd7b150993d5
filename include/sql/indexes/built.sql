-- The index that was built on a copy, and the table that it is on, in bytes.
SELECT pg_relation_size(x.indexrelid) AS bytes, pg_relation_size(x.indrelid) AS table_bytes, x.indisvalid AS valid
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE n.nspname = %(schema)s AND i.relname = %(index)s
