"""Receipts say what half-happened, and what may have happened to another object: "not done" means that nothing did."""

from alembic import op

revision = "0008"
down_revision = "0007"

_CHANGES = (
    "ALTER TABLE upkeep.receipts DROP CONSTRAINT receipts_outcome_check",
    """
    ALTER TABLE upkeep.receipts ADD CONSTRAINT receipts_outcome_check
        CHECK (outcome IN ('done', 'not done', 'partly done', 'ran on another object'))
    """,
)


def upgrade() -> None:
    """Two more outcomes; the rows that are there keep theirs."""
    for statement in _CHANGES:
        op.execute(statement)
