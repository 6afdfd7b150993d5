-- G15: how long a restore takes depends on the archive, and whoever asked for it waits for it.
SELECT set_config('statement_timeout', '0', true), set_config('idle_in_transaction_session_timeout', '0', true)
