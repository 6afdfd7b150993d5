-- G55-G58: what the database takes now; a rebuild needs room for a second copy of the index.
SELECT pg_database_size(current_database()) AS bytes
