-- G102: the server's time, for the next canary row.
SELECT clock_timestamp() AS at
