-- Whether a log can be read, and whole: what it is, which columns are missing or refused, whether row-level security
-- leaves rows out (a policy for us that says `true` leaves none), and whether an index leads with the time column.
SELECT c.relkind::text AS kind,
       current_user::text AS "role",
       has_schema_privilege(n.oid, 'USAGE') AS may_enter,
       ARRAY(SELECT w.name FROM unnest(%(columns)s::text[]) AS w (name)
             WHERE w.name NOT IN (SELECT a.attname FROM pg_attribute a
                                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) AS missing,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attname = ANY (%(columns)s::text[])
               AND NOT has_column_privilege(c.oid, a.attnum, 'SELECT')) AS refused,
       row_security_active(c.oid) AND NOT coalesce(p.shows_all, false) AS hides_rows,
       EXISTS (SELECT FROM pg_index i
               JOIN pg_class x ON x.oid = i.indexrelid
               JOIN pg_am m ON m.oid = x.relam
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
               WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
                 AND m.amname IN ('btree', 'brin') AND a.attname = %(time)s) AS indexed,
       coalesce((SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t),
                pg_relation_size(c.oid), 0)::bigint AS bytes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
CROSS JOIN LATERAL (
    SELECT bool_or(q.polpermissive AND q.says = 'true')
           AND NOT bool_or(NOT q.polpermissive AND q.says <> 'true') AS shows_all
    FROM (SELECT o.polpermissive, coalesce(pg_get_expr(o.polqual, o.polrelid), 'true') AS says
          FROM pg_policy o
          WHERE o.polrelid = c.oid AND o.polcmd IN ('r', '*')
            AND EXISTS (SELECT FROM unnest(o.polroles) AS r (id)
                        WHERE r.id = 0 OR pg_has_role(current_user, r.id, 'USAGE'))) q
) p
WHERE n.nspname = %(schema)s AND c.relname = %(table)s
