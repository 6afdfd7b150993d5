-- The maintained database of the sandbox: the guide's tables in the shapes a Supabase project gives them.
-- Column names that the guide itself uses: performance_alerts.created_at, error_logs.timestamp (G66, G67).

CREATE TABLE user_consents (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    user_id uuid NOT NULL,
    consent_type text NOT NULL CHECK (consent_type IN ('marketing', 'analytics', 'processing', 'third_party')),
    granted boolean NOT NULL,
    granted_at timestamptz,
    withdrawn_at timestamptz,
    policy_version text NOT NULL,
    ip_address inet,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX user_consents_user_id_idx ON user_consents (user_id);
CREATE INDEX user_consents_policy_version_idx ON user_consents (policy_version);  -- nobody queries by it: unused

CREATE TABLE data_processing_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id uuid,
    operation text NOT NULL,
    legal_basis text NOT NULL,
    data_categories text[] NOT NULL,
    processor text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX data_processing_logs_created_at_idx ON data_processing_logs (created_at);

CREATE TABLE error_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    "timestamp" timestamptz NOT NULL DEFAULT now(),
    function_name text NOT NULL,
    category text NOT NULL CHECK (category IN ('authentication', 'database', 'network', 'validation', 'internal')),
    severity text NOT NULL CHECK (severity IN ('low', 'medium', 'high', 'critical')),
    message text NOT NULL,
    stack text,
    user_id uuid,
    ip_address inet,
    resolved boolean NOT NULL DEFAULT false
);
CREATE INDEX error_logs_timestamp_idx ON error_logs ("timestamp");

CREATE TABLE performance_alerts (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    metric text NOT NULL,
    value double precision NOT NULL,
    threshold double precision NOT NULL,
    severity text NOT NULL CHECK (severity IN ('warning', 'critical')),
    acknowledged boolean NOT NULL DEFAULT false
);
CREATE INDEX performance_alerts_created_at_idx ON performance_alerts (created_at);

-- One row per request to an edge function: what response times and error rates are computed from.
CREATE TABLE application_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    function_name text NOT NULL,
    method text NOT NULL,
    path text NOT NULL,
    status integer NOT NULL,
    duration_ms integer NOT NULL,
    api_role text NOT NULL CHECK (api_role IN ('anon', 'authenticated', 'service_role')),
    ip_address inet,
    request_id uuid NOT NULL DEFAULT gen_random_uuid()
);
CREATE INDEX application_logs_created_at_idx ON application_logs (created_at);

CREATE TABLE audit_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    actor uuid,
    action text NOT NULL,
    entity text NOT NULL,
    entity_id text,
    before_state jsonb,
    after_state jsonb
);
CREATE INDEX audit_logs_created_at_idx ON audit_logs (created_at);

CREATE TABLE security_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    event text NOT NULL CHECK (event IN ('login_success', 'login_failure', 'token_refresh', 'rate_limited', 'role_change')),
    account text,
    ip_address inet NOT NULL,
    user_agent text,
    detail jsonb NOT NULL DEFAULT '{}'
);
CREATE INDEX security_logs_created_at_idx ON security_logs (created_at);

-- One row per metric and sample: what the platform's own sampler saw.
CREATE TABLE performance_logs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now(),
    metric text NOT NULL,
    value double precision NOT NULL
);
CREATE INDEX performance_logs_created_at_idx ON performance_logs (created_at);
