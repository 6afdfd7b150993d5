-- G15: how many relations of these OIDs there are.
SELECT count(*) AS there FROM pg_class c WHERE c.oid = ANY (%(oids)s)
