-- G77: functions that run with their owner's rights. Without a search_path of their own the caller chooses what the names
-- in them mean.
SELECT 'definer' AS kind,
       format('%I.%I(%s)', n.nspname, p.proname, oidvectortypes(p.proargtypes)) AS name,
       concat_ws(', ',
                 coalesce((SELECT s.setting FROM unnest(p.proconfig) AS s (setting)
                           WHERE s.setting LIKE 'search_path=%'), 'without search_path'),
                 'owner ' || quote_ident(pg_get_userbyid(p.proowner))) AS says
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
WHERE p.prosecdef AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e')
