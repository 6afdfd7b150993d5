-- G101: columns that draw their numbers from a sequence, for the greatest number to be compared with where it stands.
SELECT n.nspname::text AS schema, c.relname::text AS "table", a.attname::text AS "column",
       s.last_value, s.increment_by
FROM pg_depend d
JOIN pg_class q ON q.oid = d.objid AND q.relkind = 'S'
JOIN pg_namespace m ON m.oid = q.relnamespace
JOIN pg_sequences s ON s.schemaname = m.nspname AND s.sequencename = q.relname
JOIN pg_class c ON c.oid = d.refobjid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = d.refobjsubid
WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.deptype IN ('a', 'i')
  AND s.increment_by > 0 AND NOT s.cycle
  AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
ORDER BY 1, 2, 3
