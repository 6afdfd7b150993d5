-- G15: the content of rows as one number that does not depend on their order: the sum of both halves of each row's md5.
-- OFFSET 0 keeps a text and an md5 from being made anew wherever they are used.
SELECT count(*) AS rows,
       coalesce(sum(('x' || left(e.row_md5, 16))::bit(64)::bigint), 0)::text AS high,
       coalesce(sum(('x' || right(e.row_md5, 16))::bit(64)::bigint), 0)::text AS low
FROM (SELECT md5({digest}) AS row_md5 FROM ({export} OFFSET 0) r OFFSET 0) e
