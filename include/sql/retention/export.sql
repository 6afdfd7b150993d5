-- G15: rows as they are archived: each column as its type's own output, which is what COPY writes, and the row's md5.
SELECT {names}, md5({digest}) AS row_md5
FROM (SELECT {texts} FROM {table} t WHERE {due} OFFSET 0) r
