-- G15: the md5 of a row is that of its text in the server's encoding, and an archive's text is UTF-8; and how much WAL the
-- server has written, for the receipt.
SELECT current_setting('server_encoding') AS encoding, pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint AS wal_position
