-- Which ledger this is; config pins it (APPROVAL.md, rule 8).
SELECT id::text AS id FROM upkeep.identity
