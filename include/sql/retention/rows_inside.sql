-- G15: how many rows a partition has, of whichever class: through its log, on which alone this role may have rights. The
-- times are its range, by which the server looks at no other partition.
SELECT count(*) AS rows FROM {table} t WHERE {inside}
