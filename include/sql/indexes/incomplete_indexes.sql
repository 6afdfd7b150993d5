-- G53: indexes of partitioned tables that are invalid, with each partition that has no valid index attached to it: such an
-- index is valid once all have. "like" is what the partition's own must be; null where the definition begins otherwise
-- than it does today. An index without any such partition has one row whose partition is null.
SELECT i.oid::bigint AS oid, n.nspname AS schema, i.relname AS "index", x.indisunique AS "unique",
       lacking.schema AS part_schema, lacking."partition", lacking.kind, lacking.attached, lacking.oid::bigint AS part_oid,
       c.contype::text AS "constraint", coalesce(c.condeferrable, false) AS "deferrable",
       CASE WHEN starts_with(d.made, d.head) THEN substr(d.made, length(d.head) + 1) END AS "like"
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid AND i.relkind = 'I'
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
JOIN pg_namespace m ON m.oid = t.relnamespace
CROSS JOIN LATERAL (
    SELECT pg_get_indexdef(i.oid) AS made,
           format('CREATE %sINDEX %I ON ONLY %I.%I ', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END,
                  i.relname, m.nspname, t.relname) AS head
) d
LEFT JOIN pg_constraint c ON c.conindid = i.oid AND c.conrelid = t.oid AND c.contype IN ('p', 'u', 'x')
LEFT JOIN LATERAL (
    SELECT s.nspname AS schema, p.relname AS "partition", p.relkind::text AS kind, child.relname AS attached, p.oid
    FROM pg_inherits h
    JOIN pg_class p ON p.oid = h.inhrelid
    JOIN pg_namespace s ON s.oid = p.relnamespace
    LEFT JOIN (pg_inherits j
               JOIN pg_index y ON y.indexrelid = j.inhrelid
               JOIN pg_class child ON child.oid = j.inhrelid) ON j.inhparent = i.oid AND y.indrelid = p.oid
    WHERE h.inhparent = t.oid AND y.indisvalid IS NOT TRUE
) lacking ON true
WHERE NOT x.indisvalid
ORDER BY i.oid, lacking.oid
