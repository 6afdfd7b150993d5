-- The seed draws durations with this function of PostgreSQL 16 and later (Box-Muller).
CREATE FUNCTION public.random_normal(mean float8, stddev float8) RETURNS float8 LANGUAGE sql VOLATILE
AS 'SELECT mean + stddev * sqrt(-2 * ln(1 - random())) * cos(2 * pi() * random())'
