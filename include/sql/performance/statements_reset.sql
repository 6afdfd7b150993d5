-- Since when pg_stat_statements counts, and how often it had to forget statements for want of room.
SELECT i.stats_reset, i.dealloc
FROM {schema}.pg_stat_statements_info i
