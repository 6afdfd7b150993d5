-- G15: whether the rows of a class can be found by age: the table, its columns, an index that begins with the time, and
-- whether this role sees all rows; and what a deletion would meet there: keys of other tables, triggers, rules, heirs, no primary key.
SELECT c.oid::bigint AS oid,
       c.relkind::text AS kind,
       current_user::text AS "role",
       has_schema_privilege(n.oid, 'USAGE') AND has_table_privilege(c.oid, 'SELECT') AS may_read,
       ARRAY(SELECT w.name FROM unnest(%(columns)s::text[]) AS w (name)
             WHERE w.name NOT IN (SELECT a.attname FROM pg_attribute a
                                  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped)) AS missing,
       (SELECT format_type(a.atttypid, NULL) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND a.attname = %(time)s AND a.attnum > 0 AND NOT a.attisdropped) AS time_type,
       row_security_active(c.oid) AS hides_rows,
       EXISTS (SELECT FROM pg_index i
               JOIN pg_class x ON x.oid = i.indexrelid
               JOIN pg_am m ON m.oid = x.relam
               JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
               WHERE i.indrelid = c.oid AND i.indisvalid AND i.indpred IS NULL
                 AND m.amname IN ('btree', 'brin') AND a.attname = %(time)s) AS indexed,
       EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'p') AS has_key,
       ARRAY(SELECT format('%%s.%%s (ON DELETE %%s)', k.conrelid::regclass, k.conname,
                           CASE k.confdeltype WHEN 'c' THEN 'CASCADE' WHEN 'n' THEN 'SET NULL'
                                              WHEN 'd' THEN 'SET DEFAULT' WHEN 'r' THEN 'RESTRICT' ELSE 'NO ACTION' END)
             FROM pg_constraint k WHERE k.confrelid = c.oid AND k.contype = 'f' ORDER BY 1) AS referenced_by,
       ARRAY(SELECT g.tgname::text FROM pg_trigger g
             WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgtype & 8 <> 0 ORDER BY 1) AS delete_triggers,
       EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = c.oid AND w.ev_type = '4') AS delete_rules,
       c.relkind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = c.oid) AS inherited,
       c.relispartition AS is_partition,
       has_table_privilege(c.oid, 'DELETE') AS may_delete,
       coalesce((SELECT sum(pg_relation_size(t.relid)) FROM pg_partition_tree(c.oid) t),
                pg_relation_size(c.oid), 0)::bigint AS bytes
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = %(schema)s AND c.relname = %(table)s
