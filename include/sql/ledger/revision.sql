-- Which migration the ledger is at.
SELECT version_num FROM upkeep.ledger_version
