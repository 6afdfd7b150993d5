-- G101: without data checksums the server gives back a bent page as long as it can be made out.
SELECT current_setting('data_checksums') AS data_checksums
