-- G78: tables of an exposed schema with row-level security and no policy: all but the owner and those who pass it see no row.
-- A partitioned table is one finding, however many of its partitions are so.
WITH closed AS (
    SELECT c.oid, coalesce(CASE WHEN c.relispartition THEN pg_partition_root(c.oid) END, c.oid) AS root,
           c.relowner, c.relforcerowsecurity
    FROM pg_class c
    JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE n.nspname = ANY (%(exposed_schemas)s::text[])
      AND c.relkind IN ('r', 'p') AND c.relrowsecurity
      AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid)
      AND NOT EXISTS (SELECT FROM pg_depend x
                      WHERE x.classid = 'pg_class'::regclass AND x.objid = c.oid AND x.objsubid = 0 AND x.deptype = 'e')
)
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
       'row-level security is on and no policy lets anybody in; its owner is '
           || string_agg(DISTINCT quote_ident(pg_get_userbyid(o.relowner)), ', ')
           || CASE WHEN bool_and(o.relforcerowsecurity) THEN ', who sees nothing either' ELSE '' END
           || CASE WHEN count(*) FILTER (WHERE o.oid <> o.root) > 0
                   THEN '; partitions of which this is true: ' || count(*) FILTER (WHERE o.oid <> o.root)
                   ELSE '' END AS detail
FROM closed o
JOIN pg_class c ON c.oid = o.root
JOIN pg_namespace n ON n.oid = c.relnamespace
GROUP BY o.root, n.nspname, c.relname
