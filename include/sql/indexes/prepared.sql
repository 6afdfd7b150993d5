-- The types of the parameters of the statement that was just prepared, with their schemas and quotes.
SELECT p.parameter_types::pg_catalog.text[] AS types FROM pg_catalog.pg_prepared_statements p WHERE p.name = 'upkeep_lookup'
