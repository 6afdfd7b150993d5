-- Which schemas the looks at tables are about: config's, with null for one that is not there; without any in config all
-- but the system's.
SELECT coalesce(n.nspname, w.name) AS schema, n.oid IS NOT NULL AS there
FROM unnest(%(schemas)s::text[]) AS w (name)
FULL JOIN (SELECT s.oid, s.nspname FROM pg_namespace s
           WHERE s.nspname !~ '^pg_' AND s.nspname <> 'information_schema') n ON n.nspname = w.name
WHERE w.name IS NOT NULL OR cardinality(%(schemas)s::text[]) = 0
ORDER BY 1
