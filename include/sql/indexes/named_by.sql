-- What a statement names, by what its procedure depends on: columns of tables, and in "stranger" whatever else is not PostgreSQL's own
-- and may be code (a view, a function, an operator; a type, for its input or its check may be, but for enumerations and
-- their arrays), and that it changes rows. What initdb makes has an OID below 16384. Names in a tree are written without
-- spaces, so that no name in it looks like a command.
WITH read AS (
    SELECT p.oid, p.prosqlbody::pg_catalog.text AS body
    FROM pg_catalog.pg_proc p
    WHERE p.proname = 'upkeep_named' AND p.pronamespace = pg_catalog.pg_my_temp_schema()
)
SELECT DISTINCT n.nspname::pg_catalog.text AS schema, t.relname::pg_catalog.text AS "table",
       a.attname::pg_catalog.text AS "column",
       CASE WHEN t.oid IS NULL THEN pg_catalog.pg_describe_object(d.refclassid, d.refobjid, 0) END AS stranger
FROM read r
JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = r.oid
LEFT JOIN pg_catalog.pg_class t ON d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND t.oid = d.refobjid
                                AND t.relkind IN ('r', 'p', 'm', 'c')
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid AND a.attnum > 0
LEFT JOIN pg_catalog.pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_catalog.pg_type y ON d.refclassid = 'pg_catalog.pg_type'::pg_catalog.regclass AND y.oid = d.refobjid
LEFT JOIN pg_catalog.pg_type e ON e.oid = y.typelem AND y.typcategory = 'A'
WHERE d.refobjid >= 16384 AND t.relkind IS DISTINCT FROM 'c' AND coalesce(e.typtype, y.typtype) IS DISTINCT FROM 'e'
  AND d.refclassid NOT IN ('pg_catalog.pg_namespace'::pg_catalog.regclass, 'pg_catalog.pg_collation'::pg_catalog.regclass,
                           'pg_catalog.pg_constraint'::pg_catalog.regclass, 'pg_catalog.pg_language'::pg_catalog.regclass)
UNION ALL
SELECT NULL, NULL, NULL, 'a change of rows' FROM read r WHERE r.body ~ ':commandType [^1]'
ORDER BY 4, 1, 2, 3
