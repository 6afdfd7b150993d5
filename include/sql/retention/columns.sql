-- G15: the columns of a log as they are archived, in their order: name and type, and whether they are of its primary key.
-- A cast to text that pg_cast does not know is the type's own output function; of a domain its base type would be asked.
SELECT a.attname::text AS name,
       format_type(a.atttypid, a.atttypmod) AS type,
       a.atttypid IN ('text'::regtype, 'varchar'::regtype) AS plain,
       y.typtype <> 'd' AND NOT EXISTS (SELECT FROM pg_cast x
                                        WHERE x.castsource = y.oid AND x.casttarget = 'text'::regtype) AS by_cast,
       coalesce(a.attnum = ANY (k.conkey), false) AS key
FROM pg_attribute a
JOIN pg_type y ON y.oid = a.atttypid
LEFT JOIN pg_constraint k ON k.conrelid = a.attrelid AND k.contype = 'p'
WHERE a.attrelid = %(oid)s AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum
