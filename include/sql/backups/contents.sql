-- G101: a log's rows of a period that is over, and their content as one number that does not depend on their order: the
-- sum of both halves of each row's md5. A restored copy that was rolled forward to this moment must hold the same.
SELECT {number} AS number,
       count(*) AS rows,
       coalesce(sum(('x' || left(r.digest, 16))::bit(64)::bigint), 0)::text AS high,
       coalesce(sum(('x' || right(r.digest, 16))::bit(64)::bigint), 0)::text AS low
FROM (SELECT md5(t::text) AS digest FROM {table} t WHERE t.{time} >= {start} AND t.{time} < {end}) r
