-- G78: tables of an exposed schema without row-level security: who may read one reads every row. A partition that no role
-- of the API may read is its parent's matter; a partitioned table is one finding, however many partitions it has.
WITH open AS (
    SELECT c.oid, coalesce(CASE WHEN c.relispartition THEN pg_partition_root(c.oid) END, c.oid) AS root,
           format('%%I.%%I', min(n.nspname::text), min(c.relname::text)) AS own_name,
           array_agg(r.rolname) FILTER (WHERE r.oid IS NOT NULL) AS readers
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_roles r ON r.rolname = ANY (%(api_roles)s::text[])
                        AND has_schema_privilege(r.oid, n.oid, 'USAGE')
                        AND has_any_column_privilege(r.oid, c.oid, 'SELECT')
    WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
      AND c.relkind IN ('r', 'p') AND NOT c.relrowsecurity
      AND NOT EXISTS (SELECT FROM pg_depend x
                      WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
    GROUP BY c.oid, c.relispartition
    HAVING NOT c.relispartition OR count(r.oid) > 0
)
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       coalesce('every row can be read by ' || string_agg(DISTINCT quote_ident(a.reader), ', '),
                'no role of the API may read it today; one GRANT is all that is missing')
           || CASE WHEN count(DISTINCT o.oid) FILTER (WHERE o.oid <> o.root) > 0
                   THEN '; partitions that can be read by themselves: '
                        || count(DISTINCT o.oid) FILTER (WHERE o.oid <> o.root) || ', the first '
                        || min(o.own_name) FILTER (WHERE o.oid <> o.root)
                   ELSE '' END AS detail,
       CASE WHEN count(a.reader) = 0 THEN 'advisory' ELSE 'warning' END AS level
FROM open o
JOIN pg_class c ON c.oid = o.root
JOIN pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN LATERAL unnest(o.readers) AS a (reader) ON true
GROUP BY o.root, n.nspname, c.relname
