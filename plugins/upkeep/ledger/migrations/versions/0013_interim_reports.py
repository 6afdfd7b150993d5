"""Interim reports: what was known of a window when people were asked. No verdict, so in no table of verdicts."""

from alembic import op

revision = "0013"
down_revision = "0012"

_TABLES = (
    """
    CREATE TABLE upkeep.interim_reports (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        window_id bigint NOT NULL REFERENCES upkeep.windows,
        dag_id text NOT NULL,
        run_id text NOT NULL,
        instance text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        html text NOT NULL,
        body text NOT NULL,
        digest text NOT NULL
    )
    """,
    "CREATE INDEX interim_reports_run_idx ON upkeep.interim_reports (dag_id, run_id, id DESC)",
)


def upgrade() -> None:
    """Create the table; rows are only added."""
    for statement in _TABLES:
        op.execute(statement)
