-- G78: what PUBLIC and the roles of the API will be given on things that do not exist yet, beyond what the server gives
-- PUBLIC by itself. An entry for all schemas repeats that; one for a single schema only adds.
SELECT CASE d.defaclobjtype WHEN 'r' THEN 'tables' WHEN 'S' THEN 'sequences' WHEN 'f' THEN 'functions'
                            WHEN 'T' THEN 'types' WHEN 'n' THEN 'schemas' ELSE 'large objects' END
           || ' by ' || quote_ident(pg_get_userbyid(d.defaclrole))
           || coalesce(' in ' || quote_ident(n.nspname), '')
           || ' to ' || coalesce(quote_ident(r.rolname), 'PUBLIC') AS name,
       string_agg(e.privilege_type, ', ' ORDER BY e.privilege_type) || ' on each new one' AS detail,
       CASE WHEN e.grantee = 0 OR bool_or(e.privilege_type IN ('INSERT', 'UPDATE', 'DELETE', 'TRUNCATE'))
            THEN 'warning' ELSE 'advisory' END AS level
FROM pg_default_acl d
LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
CROSS JOIN LATERAL aclexplode(d.defaclacl) AS e
LEFT JOIN pg_roles r ON r.oid = e.grantee
WHERE (e.grantee = 0 OR r.rolname = ANY (%(api_roles)s::text[]))
  AND NOT (d.defaclnamespace = 0
           AND EXISTS (SELECT
                       FROM aclexplode(acldefault(CASE d.defaclobjtype WHEN 'S' THEN 's'::"char" ELSE d.defaclobjtype END,
                                                  d.defaclrole)) AS usual
                       WHERE usual.grantee = e.grantee AND usual.privilege_type = e.privilege_type))
GROUP BY d.oid, d.defaclobjtype, d.defaclrole, n.nspname, e.grantee, r.rolname
