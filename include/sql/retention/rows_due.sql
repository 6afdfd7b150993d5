-- G15: what of a class is due: rows before the cutoff, how many of them under a legal hold, the oldest, and the bytes
-- of their values as they are stored: none is read for it that lies outside its row. A row whose time is missing or infinite has no age; it is counted, and never due.
SELECT count(*) FILTER (WHERE NOT {held}) AS due,
       count(*) FILTER (WHERE {held}) AS held,
       min(t.{time})::timestamptz AS oldest,
       coalesce(sum({size}) FILTER (WHERE NOT {held}), 0)::bigint AS bytes,
       (SELECT min(t.{time}) FROM {table} t WHERE t.{time} >= {before} AND isfinite(t.{time}) AND {belongs})::timestamptz
           AS next,
       (SELECT count(*) FROM {table} t
        WHERE (t.{time} IS NULL OR t.{time} = 'infinity' OR t.{time} = '-infinity') AND {belongs}) AS ageless
FROM {table} t
WHERE t.{time} < {before} AND t.{time} > '-infinity' AND {belongs}
