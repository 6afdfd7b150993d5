-- G102: the table of canary rows, in the target or a restored copy; no row without one.
SELECT c.oid::bigint AS oid
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = 'upkeep_canary' AND c.relname = 'written' AND c.relkind = 'r'
