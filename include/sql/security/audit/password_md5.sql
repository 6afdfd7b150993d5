-- G79: passwords that the server keeps as md5: whoever reads the hash can log in with it. Only how it is kept leaves the
-- server, never the hash.
SELECT quote_ident(a.rolname) AS name,
       'its password is kept as md5' || CASE WHEN a.rolcanlogin THEN '' ELSE ', and it may not log in today' END AS detail
FROM pg_authid a
WHERE starts_with(a.rolpassword, 'md5')
