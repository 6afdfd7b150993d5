-- G99: dumps of several databases may lie in one folder; those of this one count.
SELECT current_database()::text AS database
