-- G18: the size of this database on disk, one point of the history that its growth is forecast from.
SELECT pg_database_size(current_database()) AS bytes
