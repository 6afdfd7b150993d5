-- Whether a foreign table is below a table, as its partition or its child.
WITH RECURSIVE below AS (
    SELECT to_regclass(format('%%I.%%I', %(schema)s::text, %(table)s::text))::oid AS oid
    UNION
    SELECT i.inhrelid FROM pg_inherits i JOIN below b ON i.inhparent = b.oid
)
SELECT count(*) > 0 AS found FROM below b JOIN pg_class c ON c.oid = b.oid WHERE c.relkind = 'f'
