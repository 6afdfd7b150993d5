-- G78: extensions older than what the server has ready for them: ALTER EXTENSION … UPDATE was not run.
SELECT quote_ident(e.extname) AS name, e.extversion || ' is in use, ' || a.default_version || ' is ready' AS detail
FROM pg_extension e
JOIN pg_available_extensions a ON a.name = e.extname
WHERE a.default_version <> e.extversion
