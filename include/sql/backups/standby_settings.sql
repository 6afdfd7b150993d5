-- G102: settings that a server in recovery must have at least as large as the one whose WAL it replays, or it refuses to be
-- asked anything (PostgreSQL's documentation, "Hot Standby", "Administrator's Overview").
SELECT name, setting
FROM pg_settings
WHERE name IN ('max_connections', 'max_prepared_transactions', 'max_locks_per_transaction', 'max_wal_senders',
               'max_worker_processes')
ORDER BY name
