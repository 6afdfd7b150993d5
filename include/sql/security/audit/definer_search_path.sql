-- G78: SECURITY DEFINER functions whose caller chooses what the names in them mean: no search_path of their own, or one
-- with "$user" in it.
SELECT quote_ident(n.nspname) || '.' || quote_ident(p.proname) || '(' || oidvectortypes(p.proargtypes) || ')' AS name,
       coalesce(s.setting, 'it has no search_path of its own') || '; it runs as '
           || quote_ident(pg_get_userbyid(p.proowner)) AS detail
FROM pg_proc p
JOIN pg_namespace n ON n.oid = p.pronamespace
LEFT JOIN LATERAL (SELECT c.setting
                   FROM unnest(p.proconfig) AS c (setting)
                   WHERE starts_with(c.setting, 'search_path=')) AS s ON true
WHERE p.prosecdef AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND (s.setting IS NULL OR strpos(s.setting, '$user') > 0)
  AND NOT EXISTS (SELECT FROM pg_depend x
                  WHERE x.classid = 'pg_proc'::regclass AND x.objid = p.oid AND x.deptype = 'e')
