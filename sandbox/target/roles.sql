-- The tables belong to a role that never logs in, so that dropping an index takes no superuser. Roles are the server's:
-- another database of it may have made it.
DO $$ BEGIN
    IF to_regrole('platform_owner') IS NULL THEN
        CREATE ROLE platform_owner NOLOGIN;
    END IF;
    -- The roles that a Supabase API comes as; none of these tables is granted to them.
    IF to_regrole('anon') IS NULL THEN
        CREATE ROLE anon NOLOGIN;
    END IF;
    IF to_regrole('authenticated') IS NULL THEN
        CREATE ROLE authenticated NOLOGIN;
    END IF;
END $$;
ALTER TABLE user_consents OWNER TO platform_owner;
ALTER TABLE data_processing_logs OWNER TO platform_owner;
ALTER TABLE error_logs OWNER TO platform_owner;
ALTER TABLE performance_alerts OWNER TO platform_owner;
ALTER TABLE application_logs OWNER TO platform_owner;
ALTER TABLE audit_logs OWNER TO platform_owner;
ALTER TABLE security_logs OWNER TO platform_owner;
ALTER TABLE performance_logs OWNER TO platform_owner;

-- Whoever made the tables may create in their schema; renaming an index takes that too.
GRANT CREATE ON SCHEMA public TO platform_owner;

-- What the sandbox's own roles may do in the target; upkeep_read and upkeep_maintain get theirs from include/sql/setup/.
GRANT USAGE ON SCHEMA public TO functions_twin, app;
GRANT pg_monitor TO functions_twin;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO functions_twin;
GRANT SELECT, INSERT, UPDATE, DELETE ON
    user_consents, data_processing_logs, error_logs, performance_alerts, application_logs, audit_logs, security_logs,
    performance_logs
TO app;

-- G68: nobody who maintains takes a row out of an audit log, the owner's members among them.
REVOKE DELETE, TRUNCATE ON audit_logs, data_processing_logs FROM platform_owner;
