-- G29: the least that shows that a Connection's login works and its server answers; it reads no table.
SELECT 1 AS alive
