-- G15: whether there is a relation of an OID.
SELECT EXISTS (SELECT FROM pg_class c WHERE c.oid = %(oid)s) AS there
