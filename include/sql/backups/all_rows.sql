-- G101: each row of a table read whole: a page whose checksum is wrong is an error of this statement.
SELECT count(*) AS rows FROM {table} t WHERE t.ctid IS NOT NULL
