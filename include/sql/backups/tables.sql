-- G101: every table of a restored copy with rows of its own; each is read from its first page to its last.
SELECT n.nspname::text AS schema, c.relname::text AS "table"
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 't') AND c.relpersistence = 'p' AND (c.relkind <> 'm' OR c.relispopulated)
ORDER BY 1, 2
