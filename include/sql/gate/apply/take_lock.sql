-- One mutation at a time on a target: the lock lives as long as this session.
SELECT pg_try_advisory_lock(%(key)s) AS taken
