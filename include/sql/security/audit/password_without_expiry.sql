-- G79: roles that may log in for ever: no VALID UNTIL, or infinity. Whether one has a password at all is not asked here.
SELECT quote_ident(r.rolname) AS name,
       CASE WHEN r.rolvaliduntil IS NULL THEN 'no VALID UNTIL' ELSE 'VALID UNTIL infinity' END
           || CASE WHEN r.rolsuper THEN ', and a superuser' ELSE '' END AS detail
FROM pg_roles r
WHERE r.rolcanlogin AND (r.rolvaliduntil IS NULL OR r.rolvaliduntil = 'infinity')
