-- G61-G65: tables that are called like a log and that no class of the retention names: nobody has said how long they stay.
SELECT n.nspname::text AS schema, c.relname::text AS "table"
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (c.relname ~* '(^|_)(logs?|audit|alerts|events)$')
  AND NOT EXISTS (SELECT FROM unnest(%(schemas)s::text[], %(tables)s::text[]) AS k (schema, name)
                  WHERE k.schema = n.nspname AND k.name = c.relname)
ORDER BY 1, 2
