-- G78: lines of pg_hba.conf that let in without a password, let it be read on the way, take an old kind of it, or open
-- the server to all addresses. The same line written twice is one; a line that the server does not use is said too.
WITH lines AS (
    SELECT h.line_number, h.error, h.type, h.auth_method AS method,
           concat_ws(' ', h.type, array_to_string(h.database, ','), array_to_string(h.user_name, ','), h.address, h.netmask,
                     h.auth_method) AS line,
           h.address = 'localhost' OR (h.address ~ '^127[.]' AND h.netmask ~ '^255[.]')
               OR (h.address = '::1' AND h.netmask = 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff') AS loopback,
           h.address = 'all' OR h.netmask IN ('0.0.0.0', '::') AS anybody
    FROM pg_hba_file_rules h
),
judged AS (
    SELECT l.line_number, coalesce(nullif(l.line, ''), 'line ' || l.line_number) AS line, w.level, w.what
    FROM lines l
    CROSS JOIN LATERAL (VALUES
        (l.error IS NOT NULL, 3, 'the server says: ' || l.error),
        (l.method = 'trust' AND l.type <> 'local' AND NOT l.loopback, 4, 'anybody there is whoever they say'),
        (l.method = 'trust' AND (l.type = 'local' OR l.loopback), 3, 'every account of this machine is whoever it says'),
        (l.method = 'password', 3, 'passwords go over the wire as they are'),
        (l.method = 'md5', 2, 'md5 is still taken for passwords that are kept so'),
        (l.anybody AND l.method <> 'reject' AND l.type <> 'hostssl', 3, 'open to all addresses, with or without TLS'),
        (l.anybody AND l.method <> 'reject' AND l.type = 'hostssl', 2, 'open to all addresses')
    ) AS w (applies, level, what)
    WHERE w.applies
)
SELECT j.line AS name,
       string_agg(DISTINCT j.what, '; ') || ' (line ' || string_agg(DISTINCT j.line_number::text, ', ') || ')' AS detail,
       CASE max(j.level) WHEN 4 THEN 'critical' WHEN 3 THEN 'warning' ELSE 'advisory' END AS level
FROM judged j
GROUP BY j.line
