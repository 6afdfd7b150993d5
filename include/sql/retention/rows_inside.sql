-- G15: how many rows of a partition meet a condition: all that it has, through its log, on which alone this role may have rights,
-- by its range, so that the server looks at no other partition; or those that are due, before it is dropped.
SELECT count(*) AS rows FROM {table} t WHERE {inside}
