-- 120 days of believable history up to now(). Chance is seeded: loads at the same hour of the week give the same rows, moved.
-- Some security_logs reach back over 1 year and some audit_logs 8 years, so that retention finds what is due.
SELECT setseed(0.42);

CREATE TEMPORARY TABLE platform_function ON COMMIT DROP AS
SELECT *
FROM (VALUES ('agent-recommender', 0.00, 0.30), ('vibe-analyzer', 0.30, 0.52), ('trust-scorer', 0.52, 0.72),
             ('gdpr-compliance', 0.72, 0.84), ('database-scalability', 0.84, 0.90),
             ('error-tracking', 0.90, 0.95), ('production-monitoring', 0.95, 1.00)) AS f (name, low, high);

-- Requests follow the day (busiest at 15:00 UTC) and the week (quiet at the weekend); durations are log-normal around 120 ms.
WITH hours AS (
    SELECT now() - h * interval '1 hour' AS from_, extract(hour FROM (now() - h * interval '1 hour') AT TIME ZONE 'UTC') AS hour,
           CASE WHEN extract(isodow FROM (now() - h * interval '1 hour') AT TIME ZONE 'UTC') > 5 THEN 0.6 ELSE 1 END AS week
    FROM generate_series(1, 24 * 120) AS h
), requests AS (
    SELECT from_ + random() * interval '1 hour' AS created_at, random() AS which, random() AS client, random() AS answer,
           random_normal(0, 0.6) AS spread
    FROM hours, generate_series(1, round(28 * week * (1 + 0.6 * sin(pi() * (hour - 9) / 12)))::integer)
), numbered AS (  -- counted back from now: 1 in 337 failed (0.3 %), below 0.5 % in every window that ends now
    SELECT *, row_number() OVER (ORDER BY created_at DESC) AS back FROM requests
)
INSERT INTO application_logs (created_at, function_name, method, path, status, duration_ms, api_role, ip_address, request_id)
SELECT n.created_at, f.name, 'POST', '/functions/v1/' || f.name,
       CASE WHEN back % 337 = 250 THEN (ARRAY[500, 503, 504, 546])[1 + back % 4]
            WHEN answer < 0.015 THEN 401 WHEN answer < 0.025 THEN 400 WHEN answer < 0.03 THEN 404 ELSE 200 END,
       greatest(8, round(120 * exp(spread)))::integer,
       CASE WHEN client < 0.15 THEN 'anon' WHEN client < 0.8 THEN 'authenticated' ELSE 'service_role' END,
       '203.0.113.0'::inet + (1 + client * 250)::integer, md5('request' || back)::uuid
FROM numbered AS n JOIN platform_function AS f ON n.which >= f.low AND n.which < f.high
ORDER BY n.created_at;

-- Each failed request has its error; beside them come refused tokens and invalid input that fail no request.
WITH failures AS (
    SELECT created_at, function_name, status,
           (ARRAY['database', 'network', 'internal'])[1 + (random() * 2)::integer] AS category
    FROM application_logs WHERE status >= 500
), refusals AS (
    SELECT now() - (i + random()) * interval '3 hours' AS created_at, i % 3 > 0 AS token, i % 6 = 1 AS forged, random() AS which
    FROM generate_series(0, 8 * 120 - 1) AS i
), errors AS (
    SELECT created_at, function_name, category,
           CASE WHEN status = 546 THEN 'critical' WHEN category = 'database' THEN 'high' ELSE 'medium' END AS severity,
           CASE category
               WHEN 'database' THEN 'canceling statement due to statement timeout'
               WHEN 'network' THEN 'connect ETIMEDOUT 198.51.100.17:443 after 10000 ms'
               ELSE 'TypeError: Cannot read properties of undefined (reading ''score'')' END AS message,
           'at handler (file:///src/' || function_name || '/index.ts:87:19)' AS stack
    FROM failures
    UNION ALL
    SELECT created_at, name, CASE WHEN token THEN 'authentication' ELSE 'validation' END,
           CASE WHEN forged THEN 'high' WHEN token THEN 'medium' ELSE 'low' END,
           CASE WHEN forged THEN 'JWT signature verification failed'
                WHEN token THEN 'JWT expired' ELSE 'Invalid input: "time_window" must be one of 1h, 24h, 7d, 30d' END,
           NULL
    FROM refusals JOIN platform_function ON which >= low AND which < high
)
INSERT INTO error_logs ("timestamp", function_name, category, severity, message, stack, user_id, ip_address, resolved)
SELECT created_at, function_name, category, severity, message, stack,
       md5('user' || (random() * 3999)::integer)::uuid, '198.51.100.0'::inet + (1 + random() * 250)::integer,
       created_at < now() - interval '3 days' AND random() < 0.95
FROM errors ORDER BY created_at;

-- What a stranger can get into a log: every report, message and page must show it and never obey it.
INSERT INTO error_logs ("timestamp", function_name, category, severity, message, ip_address)
SELECT now() - i * interval '50 minutes', 'vibe-analyzer', 'validation', 'low', message, '192.0.2.66'
FROM unnest(ARRAY[
    'Unknown vibe: <script>alert(1)</script><img src=x onerror=alert(2)>',
    E'Upload refused: invoice\u202Efdp.exe',
    'Payload too large: ' || repeat('lorem ipsum ', 2000),
    E'Unknown vibe: \x1b[31mred\x1b[0m\nFAKE LINE severity=critical <!channel> [click](javascript:alert(3))',
    '=HYPERLINK("http://192.0.2.66/","open") {{ var.value.secret }} {% raw %}'
]) WITH ORDINALITY AS hostile (message, i);

INSERT INTO performance_alerts (created_at, metric, value, threshold, severity, acknowledged)
SELECT created_at, (ARRAY['response_time_ms', 'memory_usage_percent', 'cpu_usage_percent'])[1 + i % 3],
       (ARRAY[500, 70, 60])[1 + i % 3] * (CASE WHEN i % 12 = 11 THEN 1.5 ELSE 1.02 END + random() * 0.1),
       (ARRAY[500, 70, 60])[1 + i % 3], CASE WHEN i % 12 = 11 THEN 'critical' ELSE 'warning' END, i >= 2
FROM (SELECT i, now() - (i + random()) * interval '7 hours' AS created_at FROM generate_series(0, 410) AS i) AS alerts
ORDER BY created_at;

-- Every 15 minutes; memory creeps up a little, as it does.
INSERT INTO performance_logs (created_at, metric, value)
SELECT now() - i * interval '15 minutes', metric,
       middle * (1 + 0.25 * sin(pi() * (extract(hour FROM (now() - i * interval '15 minutes') AT TIME ZONE 'UTC') - 9) / 12))
       + random() * middle * 0.2 + growth * (11520 - i) / 11520
FROM generate_series(11520, 0, -1) AS i,
     (VALUES ('response_time_ms', 120, 10), ('database_connections', 14, 2), ('memory_usage_percent', 38, 8),
             ('cpu_usage_percent', 18, 1)) AS m (metric, middle, growth);

INSERT INTO audit_logs (created_at, actor, action, entity, entity_id, before_state, after_state)
SELECT created_at, md5('user' || i % 40)::uuid, (ARRAY['update', 'create', 'delete', 'export'])[1 + i % 4],
       (ARRAY['user_consents', 'profile', 'agent'])[1 + i % 3], md5('entity' || i),
       jsonb_build_object('version', i % 7), jsonb_build_object('version', i % 7 + 1)
FROM (
    SELECT i, now() - (i + random()) * interval '20 minutes' AS created_at FROM generate_series(0, 3 * 24 * 120 - 1) AS i
    UNION ALL
    SELECT i, now() - interval '120 days' - (i + random()) * interval '7 days' FROM generate_series(0, 8 * 52 - 1) AS i
) AS changes
ORDER BY created_at;

INSERT INTO security_logs (created_at, event, account, ip_address, user_agent, detail)
SELECT created_at, event, 'user' || (random() * 3999)::integer || '@example.org',
       CASE event WHEN 'login_failure' THEN '192.0.2.0'::inet ELSE '203.0.113.0' END + (1 + random() * 60)::integer,
       'Mozilla/5.0 (X11; Linux x86_64)',
       CASE event WHEN 'login_failure' THEN '{"reason": "invalid_credentials"}'::jsonb ELSE '{}' END
FROM (
    SELECT created_at, CASE WHEN which < 0.62 THEN 'login_success' WHEN which < 0.9 THEN 'token_refresh'
                            WHEN which < 0.985 THEN 'login_failure' WHEN which < 0.999 THEN 'rate_limited'
                            ELSE 'role_change' END AS event
    FROM (
        SELECT now() - (i + random()) * interval '10 minutes' AS created_at, random() AS which
        FROM generate_series(0, 6 * 24 * 120 - 1) AS i
        UNION ALL
        SELECT now() - interval '120 days' - (i + random()) * interval '1 day', random() FROM generate_series(0, 289) AS i
    ) AS times
) AS events
ORDER BY created_at;

-- Two consents for each of 4000 users; the newer policy for the newer ones, and 12 % of what was granted withdrawn.
INSERT INTO user_consents (id, user_id, consent_type, granted, granted_at, withdrawn_at, policy_version, ip_address, created_at, updated_at)
SELECT md5('consent' || i)::uuid, md5('user' || i % 4000)::uuid,
       CASE WHEN i < 4000 THEN 'processing' ELSE (ARRAY['marketing', 'analytics', 'third_party'])[1 + i % 3] END,
       given AND NOT withdrawn, CASE WHEN given THEN asked END, CASE WHEN given AND withdrawn THEN withdrawn_at END,
       CASE WHEN age > 240 THEN '2023-1' WHEN age > 60 THEN '2024-1' ELSE '2024-2' END,
       '203.0.113.0'::inet + (1 + i % 250), asked, CASE WHEN given AND withdrawn THEN withdrawn_at ELSE asked END
FROM (
    SELECT *, now() - age * interval '1 day' AS asked, now() - age * later * interval '1 day' AS withdrawn_at,
           i < 4000 OR answer < 0.6 AS given
    FROM (
        SELECT i, random() * 400 AS age, random() AS later, random() AS answer, random() < 0.12 AS withdrawn
        FROM generate_series(0, 7999) AS i
    ) AS drawn
) AS consents
ORDER BY consents.asked;

-- Only who consents is processed on consent; of the others the contract is the basis.
INSERT INTO data_processing_logs (user_id, operation, legal_basis, data_categories, processor, created_at)
SELECT md5('user' || i % 4000)::uuid, (ARRAY['recommendation', 'trust_score', 'export', 'erasure'])[least(4, 1 + i % 23 / 7)],
       CASE WHEN i % 23 / 7 = 0 AND EXISTS (SELECT FROM user_consents c
                                            WHERE c.user_id = md5('user' || i % 4000)::uuid
                                              AND c.consent_type = 'processing' AND c.granted) THEN 'consent'
            ELSE (ARRAY['contract', 'contract', 'legitimate_interest', 'legal_obligation'])[least(4, 1 + i % 23 / 7)] END,
       CASE WHEN i % 5 = 0 THEN ARRAY['profile', 'behaviour'] ELSE ARRAY['profile'] END,
       (ARRAY['agent-recommender', 'trust-scorer', 'gdpr-compliance', 'gdpr-compliance'])[least(4, 1 + i % 23 / 7)], created_at
FROM (SELECT i, now() - (i + random()) * interval '15 minutes' AS created_at FROM generate_series(0, 4 * 24 * 120 - 1) AS i) AS runs
ORDER BY created_at;
