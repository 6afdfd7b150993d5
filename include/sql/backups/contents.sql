-- G101: a log's rows of a period that is over, and their content as one number that does not depend on their order: the
-- sum of both halves of each row's md5. A restored copy that was rolled forward to this moment must hold the same. The
-- position is read before the rows are, and a row becomes text by its type's own output: a cast could be the owner's code.
SELECT {number} AS number,
       (SELECT lsn::text FROM here) AS lsn,
       count(*) AS rows,
       coalesce(sum(('x' || left(r.digest, 16))::bit(64)::bigint), 0)::text AS high,
       coalesce(sum(('x' || right(r.digest, 16))::bit(64)::bigint), 0)::text AS low
FROM (SELECT md5(textin(record_out(t))) AS digest
      FROM {table} t
      WHERE (SELECT lsn FROM here) IS NOT NULL AND t.{time} >= {start} AND t.{time} < {end}) r
