-- G54: dead rows and free room of one table, by size. Pages that are all visible are not read: the map of free room tells.
SELECT t.dead_tuple_percent AS dead_percent, t.approx_free_percent AS free_percent,
       t.dead_tuple_count::bigint AS dead_rows, t.approx_tuple_count::bigint AS live_rows
FROM {schema}.pgstattuple_approx(%(oid)s::bigint::oid::regclass) t
