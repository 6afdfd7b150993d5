-- G79: roles whose password the server no longer takes; other ways in (a certificate, peer) do not look at that date.
SELECT quote_ident(r.rolname) AS name,
       'its password has been over since '
           || coalesce(to_char(r.rolvaliduntil AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI') || ' UTC', 'ever (-infinity)') AS detail
FROM pg_roles r
WHERE r.rolcanlogin AND r.rolvaliduntil <= now()
