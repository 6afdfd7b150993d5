"""Marks on the daily checklist: who went through a row of a report, and when."""

from alembic import op

revision = "0014"
down_revision = "0013"

_TABLE = """
    CREATE TABLE upkeep.checklist_marks (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        report_id bigint NOT NULL REFERENCES upkeep.reports,
        guide text NOT NULL CHECK (guide ~ '^G[0-9]{1,3}$'),
        person text NOT NULL CHECK (person <> ''),
        role text NOT NULL CHECK (role <> ''),
        comment text NOT NULL,
        marked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (report_id, guide)
    )
    """


def upgrade() -> None:
    """Create the table; rows are only added, one for a row of a report."""
    op.execute(_TABLE)
