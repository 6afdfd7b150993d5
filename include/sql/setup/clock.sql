-- The server's clock at this very moment, to be held against this host's.
SELECT clock_timestamp() AS at
