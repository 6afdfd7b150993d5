-- G77: what others will be given on things that do not exist yet.
SELECT 'default' AS kind,
       format('%s by %I%s to %s',
              CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                                   WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'objects ' || d.defaclobjtype::text END,
              pg_get_userbyid(d.defaclrole),
              coalesce(' in ' || quote_ident(n.nspname), ''),
              CASE e.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(e.grantee)) END) AS name,
       string_agg(e.privilege_type || CASE WHEN e.is_grantable THEN '*' ELSE '' END, ', '
                  ORDER BY e.privilege_type, e.is_grantable) AS says
FROM pg_default_acl d
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS e
GROUP BY d.defaclobjtype, d.defaclrole, n.nspname, e.grantee
