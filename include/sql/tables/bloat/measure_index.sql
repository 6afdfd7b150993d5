-- G55-G58: how full the leaf pages of one B-tree are. Every page of it is read.
SELECT s.avg_leaf_density AS density, s.leaf_pages, s.empty_pages + s.deleted_pages AS idle_pages
FROM {schema}.pgstatindex(%(oid)s::bigint::oid::regclass) s
