-- G60: CHECKs of domains that hold for new values only (NOT VALID), with the columns of tables that have the domain, or
-- one over it, as their type; "inside" are columns with it in an array, a composite or a range: the server refuses to
-- validate while there are such. "base" and "collation" are what the expression's VALUE has.
WITH RECURSIVE uses AS (
    SELECT c.oid AS "constraint", c.contypid AS type, false AS inside
    FROM pg_constraint c
    JOIN pg_type d ON d.oid = c.contypid
    JOIN pg_namespace n ON n.oid = d.typnamespace
    WHERE c.contype = 'c' AND c.contypid <> 0 AND NOT c.convalidated
      AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
    UNION
    SELECT u."constraint", more.type, u.inside OR more.inside
    FROM uses u
    CROSS JOIN LATERAL (
        SELECT t.oid AS type, false AS inside FROM pg_type t WHERE t.typtype = 'd' AND t.typbasetype = u.type
        UNION ALL
        SELECT t.typarray, true FROM pg_type t WHERE t.oid = u.type AND t.typarray <> 0
        UNION ALL
        SELECT k.reltype, true
        FROM pg_attribute a
        JOIN pg_class k ON k.oid = a.attrelid
        WHERE a.atttypid = u.type AND a.attnum > 0 AND NOT a.attisdropped AND k.reltype <> 0
        UNION ALL
        SELECT r.rngtypid, true FROM pg_range r WHERE r.rngsubtype = u.type
        UNION ALL
        SELECT r.rngmultitypid, true FROM pg_range r WHERE r.rngtypid = u.type
    ) more
),
columns AS (
    SELECT u."constraint", u.inside, n.nspname AS schema, k.relname AS "table", a.attname AS "column"
    FROM uses u
    JOIN pg_attribute a ON a.atttypid = u.type AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_class k ON k.oid = a.attrelid AND k.relkind IN ('r', 'm') AND k.relpersistence <> 't'
    JOIN pg_namespace n ON n.oid = k.relnamespace
)
SELECT n.nspname AS schema, d.typname AS domain, c.conname AS name,
       pg_get_constraintdef(c.oid) AS definition, pg_get_expr(c.conbin, 0) AS expression,
       format_type(d.typbasetype, d.typtypmod) AS base,
       CASE WHEN d.typcollation = 0 THEN ''
            ELSE (SELECT format('COLLATE %I.%I', s.nspname, o.collname)
                  FROM pg_collation o
                  JOIN pg_namespace s ON s.oid = o.collnamespace
                  WHERE o.oid = d.typcollation) END AS collation,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(k.schema, k."table", k."column")
                                  ORDER BY k.schema, k."table", k."column"), '[]')
        FROM columns k WHERE k."constraint" = c.oid AND NOT k.inside) AS columns,
       (SELECT coalesce(jsonb_agg(jsonb_build_array(k.schema, k."table", k."column")
                                  ORDER BY k.schema, k."table", k."column"), '[]')
        FROM (SELECT DISTINCT k.schema, k."table", k."column"
              FROM columns k WHERE k."constraint" = c.oid AND k.inside) k) AS inside
FROM pg_constraint c
JOIN pg_type d ON d.oid = c.contypid
JOIN pg_namespace n ON n.oid = d.typnamespace
WHERE c.oid IN (SELECT u."constraint" FROM uses u)
ORDER BY n.nspname, d.typname, c.conname
