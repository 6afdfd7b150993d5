-- G78: settings that protect passwords, connections and the trail in the log, as a new session of this role gets them.
-- One that this role is not shown is unknown.
WITH wanted (name, good, why, level) AS (VALUES
    ('password_encryption', '^(scram-sha-256)$', 'new passwords are kept in a way that can be used as they are', 'warning'),
    ('ssl', '^(on)$', 'passwords and rows can be read on the way', 'warning'),
    ('ssl_min_protocol_version', '^(TLSv1\.[23])$', 'versions of TLS that are broken are still spoken', 'warning'),
    ('row_security', '^(on)$', 'a query that a policy would narrow ends in an error', 'advisory'),
    ('allow_system_table_mods', '^(off)$', 'the catalogues can be changed by hand', 'warning'),
    ('log_connections', '^(?!(off|false|no|0)?$)', 'who came is in no log', 'advisory'),
    ('log_disconnections', '^(on)$', 'how long somebody stayed is in no log', 'advisory'),
    ('log_statement', '^(ddl|mod|all)$', 'who changed a table or a role is in no log', 'advisory'),
    ('log_min_error_statement', '^(debug[1-5]|info|notice|warning|error)$', 'statements that failed are in no log', 'advisory'),
    ('log_line_prefix', '[%%]u', 'lines of the log do not say which user they are about', 'advisory')
)
SELECT w.name,
       CASE WHEN s.name IS NULL THEN 'not shown to this role: without pg_monitor it is hidden (`python -m upkeep grants target`)'
            ELSE 'found ' || coalesce(nullif(s.reset_val, ''), 'nothing') || ': ' || w.why END AS detail,
       CASE WHEN s.name IS NULL THEN 'unknown' ELSE w.level END AS level
FROM wanted w
LEFT JOIN pg_settings s ON s.name = w.name
WHERE s.name IS NULL OR s.reset_val !~ w.good
