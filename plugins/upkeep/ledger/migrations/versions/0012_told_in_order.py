"""What a message told of, found by the message: one does not overtake another of the same trouble."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """An index; nothing else changes."""
    op.execute("CREATE INDEX tellings_outbox_idx ON upkeep.tellings (outbox_id)")
