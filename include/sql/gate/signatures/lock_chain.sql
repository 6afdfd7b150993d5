-- Rows that are signed are added one after the other: each names its predecessor. A statement of its own, for the head
-- that the next one sees must be the one that the holder before has committed.
SELECT pg_catalog.pg_advisory_xact_lock(%(key)s)
