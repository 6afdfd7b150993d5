-- G101: rows are counted in the table itself: an index that covers them would be read in its place.
SELECT set_config('enable_indexonlyscan', 'off', true)
