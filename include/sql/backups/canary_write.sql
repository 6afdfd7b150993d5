-- G102: one more canary row, with the server's own time; who writes may not read, so the time comes from the statement before.
INSERT INTO upkeep_canary.written (written_at) VALUES (%(at)s)
