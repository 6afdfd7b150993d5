-- G15: whether what was a partition of a log is still there, attached or not: a table of its OID, with the name that it had or
-- with the log's columns. An OID is given to another relation one day, and that has neither.
SELECT EXISTS (
    SELECT FROM pg_class c
    JOIN pg_namespace s ON s.oid = c.relnamespace
    WHERE c.oid = %(oid)s AND c.relkind = 'r'
      AND ((s.nspname, c.relname) = (%(known_schema)s, %(known_name)s) OR NOT EXISTS (
          SELECT FROM pg_class l
          JOIN pg_namespace n ON n.oid = l.relnamespace
          JOIN pg_attribute a ON a.attrelid = l.oid AND a.attnum > 0 AND NOT a.attisdropped
          WHERE n.nspname = %(schema)s AND l.relname = %(table)s
            AND NOT EXISTS (SELECT FROM pg_attribute b
                            WHERE b.attrelid = c.oid AND b.attnum > 0 AND NOT b.attisdropped
                              AND (b.attname, b.atttypid) = (a.attname, a.atttypid))))
) AS "left"
