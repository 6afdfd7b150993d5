-- G53: how far the counters of scans can be trusted here. Without a reset they reach back at least to the server's start:
-- a crash empties them. A standby that is cut off knows no newer index; one may also follow through an archive. Logical subscribers and archivers follow too, but no query runs on them that uses our indexes.
SELECT coalesce(d.stats_reset, pg_postmaster_start_time()) AS since,
       d.stats_reset IS NULL AS started,
       current_setting('track_counts')::boolean AS counted,
       pg_is_in_recovery() AS in_recovery,
       EXISTS (SELECT FROM pg_stat_wal_receiver) OR current_setting('restore_command') <> '' AS follows,
       (SELECT c.system_identifier::text FROM pg_control_system() c) AS server,
       d.datid::bigint AS database,
       (SELECT count(*)::int
        FROM pg_stat_replication r
        WHERE coalesce(r.application_name, '') NOT IN ('pg_receivewal', 'pg_basebackup')
          AND NOT EXISTS (SELECT FROM pg_replication_slots s
                          WHERE s.active_pid = r.pid AND s.slot_type = 'logical')) AS standbys
FROM pg_stat_database d
WHERE d.datname = current_database()
