-- What the sandbox's own roles may do in the target; upkeep_read and upkeep_maintain get theirs from include/sql/setup/.
GRANT USAGE ON SCHEMA public TO functions_twin, app;
GRANT pg_monitor TO functions_twin;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO functions_twin;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    user_consents, data_processing_logs, error_logs, performance_alerts, application_logs, audit_logs, security_logs,
    performance_logs
TO app;
