-- G101: which of these logs are there, can be read whole by this role, and have their time column. An unlogged one is in no WAL.
SELECT n.nspname::text AS schema, c.relname::text AS "table", a.attname::text AS time,
       c.relkind IN ('r', 'p') AND has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT')
           AND NOT row_security_active(c.oid) AS readable
FROM unnest(%(schemas)s::text[], %(tables)s::text[], %(times)s::text[]) AS w (schema, name, time)
JOIN pg_namespace n ON n.nspname = w.schema
JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = w.time AND a.attnum > 0 AND NOT a.attisdropped
WHERE c.relpersistence = 'p'
ORDER BY 1, 2
