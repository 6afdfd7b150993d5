-- What a running mutation must not do to others: sessions that wait for ours, replicas behind, connections used up.
-- Autovacuum comes back by itself, our own parallel workers are ourselves, and a page's extension lock is no wait.
SELECT (SELECT count(*) FROM pg_stat_activity a
        WHERE a.wait_event_type = 'Lock' AND a.wait_event <> 'extend' AND a.backend_type <> 'autovacuum worker'
          AND a.pid <> %(pid)s AND a.leader_pid IS DISTINCT FROM %(pid)s
          AND %(pid)s = ANY (pg_blocking_pids(a.pid))) AS waiters,
       EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = %(pid)s AND a.wait_event_type = 'Lock') AS waiting,
       (SELECT max(extract(epoch FROM r.replay_lag))::float8 FROM pg_stat_replication r) AS replay_lag_seconds,
       pg_current_wal_lsn()::text AS lsn,
       (SELECT min(r.replay_lsn)::text FROM pg_stat_replication r
        WHERE r.state IN ('streaming', 'catchup')) AS replayed_lsn,
       (SELECT 100.0 * count(*) / (current_setting('max_connections')::int
                                   - current_setting('superuser_reserved_connections')::int)
        FROM pg_stat_activity a WHERE a.backend_type = 'client backend')::float8 AS connections_percent
