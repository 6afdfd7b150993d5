-- G15: the columns of a log as they are archived, in their order: name and type, and whether they are of its primary key.
SELECT a.attname::text AS name,
       format_type(a.atttypid, a.atttypmod) AS type,
       a.atttypid IN ('text'::regtype, 'varchar'::regtype) AS plain,
       coalesce(a.attnum = ANY (k.conkey), false) AS key
FROM pg_attribute a
LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
