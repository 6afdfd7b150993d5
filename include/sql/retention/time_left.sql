-- G15: how many milliseconds the plan leaves this step, as the gate has set it: a drop does not begin when they are over.
SELECT s.setting::bigint AS ms FROM pg_settings s WHERE s.name = 'statement_timeout'
