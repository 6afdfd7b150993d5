-- The plan that a row of the ledger names by its digest.
SELECT id, digest, body, target
FROM upkeep.plans
WHERE digest = %(digest)s AND purpose = 'plan'
