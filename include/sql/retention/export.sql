-- G15: rows as they are archived: each column as its type's own output, which is what COPY writes.
SELECT {texts} FROM {table} t WHERE {due}
