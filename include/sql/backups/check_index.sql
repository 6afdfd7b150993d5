-- G101: whether the rows of an index stand in its order (amcheck): a page that was bent or a collation that has changed
-- shows here.
SELECT bt_index_check(%(oid)s::oid::regclass)
