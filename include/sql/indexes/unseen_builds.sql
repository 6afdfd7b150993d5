-- G53: builds of indexes in this database of which this role may not see whose they are (it is no member of
-- pg_read_all_stats). While one is under way, nobody can tell an index that is being built from one that was left invalid.
SELECT count(*)::int AS builds
FROM pg_stat_progress_create_index p
WHERE p.relid IS NULL AND (p.datid IS NULL OR p.datname = current_database())
