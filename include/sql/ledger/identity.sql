-- Which ledger this is; config pins it (docs/gate.md, rule 8).
SELECT id::text AS id FROM upkeep.identity
