"""Indexes for what the pages ask at each request: a window's newest report, and whom it asked."""

from alembic import op

revision = "0015"
down_revision = "0014"

_INDEXES = (
    "CREATE INDEX reports_window_idx ON upkeep.reports (window_id, made_at DESC, id DESC)",
    "CREATE INDEX interim_reports_window_idx ON upkeep.interim_reports (window_id, made_at DESC, id DESC)",
    "CREATE INDEX shown_window_idx ON upkeep.shown (window_id)",
)


def upgrade() -> None:
    """Without them each window of a page reads the whole table."""
    for statement in _INDEXES:
        op.execute(statement)
