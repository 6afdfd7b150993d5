-- G15: whether what was a partition of a log is still there, attached or not: a table of its OID, with the log's columns. An OID
-- is given to another relation one day.
SELECT EXISTS (
    SELECT FROM pg_class c
    WHERE c.oid = %(oid)s AND c.relkind = 'r'
      AND NOT EXISTS (
          SELECT FROM pg_class l
          JOIN pg_namespace n ON n.oid = l.relnamespace
          JOIN pg_attribute a ON a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
          WHERE n.nspname = %(schema)s AND l.relname = %(table)s
            AND NOT EXISTS (SELECT FROM pg_attribute b
                            WHERE b.attrelid = c.oid AND b.attnum > 0 AND NOT b.attisdropped
                              AND (b.attname, b.atttypid) = (a.attname, a.atttypid)))
) AS "left"
