"""The ledger's tables, by Alembic: one revision per change, run by the owner's Connection."""
