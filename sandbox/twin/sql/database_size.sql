-- G90, G98: what the database takes on disk.
SELECT pg_database_size(current_database()) AS database_size_bytes
