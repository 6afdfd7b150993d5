-- G101: B-tree indexes of a restored copy: each is checked against its order, unless it is invalid already.
SELECT x.oid::bigint AS oid, format('%I.%I', n.nspname, x.relname) AS name, i.indisvalid AS valid
FROM pg_index i
JOIN pg_class x ON x.oid = i.indexrelid
JOIN pg_namespace n ON n.oid = x.relnamespace
JOIN pg_am m ON m.oid = x.relam
WHERE m.amname = 'btree' AND x.relkind = 'i' AND x.relpersistence = 'p' AND i.indisready
ORDER BY 2
