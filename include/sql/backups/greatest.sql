-- G101: the greatest number that a column holds; an index on it gives it at once.
SELECT max({column})::numeric AS greatest FROM {table}
