-- What a plan and a build depend on beside the statistics: those settings of the target that any session may set.
SELECT s.name, s.setting
FROM pg_settings s
WHERE s.context = 'user' AND s.name <> 'plan_cache_mode'
  AND (s.category LIKE 'Query Tuning%' OR s.name IN ('work_mem', 'hash_mem_multiplier', 'maintenance_work_mem', 'max_parallel_maintenance_workers',
                                                      'max_parallel_workers_per_gather'))
ORDER BY s.name
