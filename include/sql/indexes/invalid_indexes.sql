-- G53: indexes that queries cannot use: CREATE, REINDEX or DROP INDEX CONCURRENTLY ended halfway. What is under way just
-- now is left out: builds tell by pg_stat_progress_create_index (REINDEX names one of a table's indexes at a time), and
-- a drop holds SHARE UPDATE EXCLUSIVE on its index. Indexes of partitioned tables are invalid until they are complete.
WITH building AS (
    SELECT p.relid
    FROM pg_stat_progress_create_index p
    WHERE p.datid IS NULL OR p.datname = current_database()
),
locked AS (
    SELECT l.relation, l.mode
    FROM pg_locks l
    WHERE l.locktype = 'relation' AND l.mode IN ('AccessExclusiveLock', 'ShareUpdateExclusiveLock')
      AND l.database = (SELECT d.oid FROM pg_database d WHERE d.datname = current_database())
)
SELECT i.oid::bigint AS oid, n.nspname AS schema, i.relname AS "index", t.relname AS "table",
       CASE WHEN EXISTS (SELECT FROM locked l WHERE l.relation = i.oid AND l.mode = 'AccessExclusiveLock')
            THEN 0 ELSE pg_relation_size(i.oid) END AS bytes,
       pg_get_indexdef(i.oid) AS definition,
       (SELECT p.spcname FROM pg_tablespace p WHERE p.oid = i.reltablespace) AS tablespace,
       i.relkind = 'i' AND NOT i.relispartition
       AND NOT EXISTS (SELECT FROM pg_constraint c WHERE c.conindid = i.oid) AS droppable
FROM pg_index x
JOIN pg_class i ON i.oid = x.indexrelid
JOIN pg_class t ON t.oid = x.indrelid
JOIN pg_namespace n ON n.oid = i.relnamespace
WHERE NOT x.indisvalid AND i.relpersistence <> 't'
  AND n.nspname !~ '^pg_temp' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM building b WHERE b.relid IS NULL OR b.relid = x.indrelid)
  AND NOT EXISTS (SELECT FROM locked l WHERE l.relation = i.oid AND l.mode = 'ShareUpdateExclusiveLock')
ORDER BY i.oid
