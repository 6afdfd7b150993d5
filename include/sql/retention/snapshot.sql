-- G15: what is exported and what the server counts of it are one snapshot.
SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY
