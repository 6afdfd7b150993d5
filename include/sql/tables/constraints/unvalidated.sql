-- G60: CHECK and foreign keys that hold for new rows only (NOT VALID), with what is needed to count the rows that break
-- them. Left out are those that are not enforced or of periods (PostgreSQL 18), and what a partition or a child
-- has from its parent: validating that one validates them. table_bytes is with all that is read below it: a foreign key
-- goes down to partitions only, and is NO INHERIT everywhere else.
-- Operators and expressions come from the catalogue as SQL; a name outside pg_catalog stands with its schema in them.
-- Asking for them waits for ACCESS EXCLUSIVE; where somebody has or wants that, the definition is null.
WITH locks AS (
    SELECT l.relation
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock'
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT c.oid::bigint AS oid, n.nspname AS schema, t.relname AS "table", c.conname AS name, c.contype::text AS type,
       md5(concat_ws(' ', c.conrelid, c.contype, c.conkey, c.conbin, c.connoinherit, c.confrelid, c.confkey, c.conpfeqop,
                     c.confmatchtype, c.confupdtype, c.confdeltype, c.condeferrable, c.condeferred)) AS shape,
       CASE WHEN NOT l.locked THEN pg_get_constraintdef(c.oid) END AS definition,
       CASE WHEN NOT l.locked AND c.contype = 'c' THEN pg_get_expr(c.conbin, c.conrelid) END AS expression,
       c.connoinherit AS only_here,
       (SELECT array_agg(a.attname ORDER BY k.place)
        FROM unnest(c.conkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum)::text[] AS columns,
       rn.nspname AS referenced_schema, r.relname AS referenced, r.relkind <> 'p' AS referenced_only,
       (SELECT array_agg(a.attname ORDER BY k.place)
        FROM unnest(c.confkey) WITH ORDINALITY AS k (attnum, place)
        JOIN pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum)::text[] AS referenced_columns,
       (SELECT array_agg(format('OPERATOR(%I.%s)', s.nspname, o.oprname) ORDER BY k.place)
        FROM unnest(c.conpfeqop) WITH ORDINALITY AS k (operator, place)
        JOIN pg_operator o ON o.oid = k.operator
        JOIN pg_namespace s ON s.oid = o.oprnamespace) AS operators,
       (SELECT array_agg(CASE WHEN there.attcollation NOT IN (0, here.attcollation)
                              THEN format(' COLLATE %I.%I', s.nspname, o.collname) ELSE '' END ORDER BY k.place)
        FROM unnest(c.conkey, c.confkey) WITH ORDINALITY AS k (here, there, place)
        JOIN pg_attribute here ON here.attrelid = c.conrelid AND here.attnum = k.here
        JOIN pg_attribute there ON there.attrelid = c.confrelid AND there.attnum = k.there
        LEFT JOIN pg_collation o ON o.oid = there.attcollation
        LEFT JOIN pg_namespace s ON s.oid = o.collnamespace) AS collations,
       c.confmatchtype = 'f' AS match_full,
       (WITH RECURSIVE below AS (
            SELECT c.conrelid AS oid
            UNION
            SELECT h.inhrelid
            FROM below b
            JOIN pg_inherits h ON h.inhparent = b.oid
            WHERE NOT c.connoinherit
        )
        SELECT sum(CASE WHEN b.oid IN (SELECT x.relation FROM locks x) THEN u.relpages::bigint * current_setting('block_size')::int
                        ELSE coalesce(pg_relation_size(b.oid), 0) END)::bigint
        FROM below b
        JOIN pg_class u ON u.oid = b.oid) AS table_bytes
FROM pg_constraint c
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
LEFT JOIN pg_class r ON r.oid = c.confrelid
LEFT JOIN pg_namespace rn ON rn.oid = r.relnamespace
CROSS JOIN LATERAL (
    SELECT EXISTS (SELECT FROM locks x WHERE x.relation IN (c.conrelid, c.confrelid)) AS locked
) l
WHERE c.contype IN ('c', 'f') AND NOT c.convalidated AND c.conparentid = 0 AND c.coninhcount = 0
  AND coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true)
  AND NOT coalesce((to_jsonb(c) ->> 'conperiod')::boolean, false)
  AND t.relkind IN ('r', 'p') AND t.relpersistence <> 't'
  AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
ORDER BY n.nspname, t.relname, c.conname
