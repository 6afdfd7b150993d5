-- G16: this server's version and, row by row, each extension here with what the server would install today.
SELECT current_setting('server_version_num')::int AS server_version,
       e.extname AS name,
       e.extversion AS installed,
       a.default_version AS available
FROM (VALUES (true)) AS always (one)
LEFT JOIN pg_extension e ON always.one
LEFT JOIN pg_available_extensions a ON a.name = e.extname
ORDER BY e.extname
