-- G15: how many rows of a class's period are in its log: fewer than before a deletion, and it has begun.
SELECT count(*) AS rows FROM {table} t WHERE {of_period}
