"""The baselines that people put in force."""

from alembic import op

revision = "0004"
down_revision = "0003"

_TABLE = """
    CREATE TABLE upkeep.baselines (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        target text NOT NULL,
        subject text NOT NULL,
        version integer NOT NULL CHECK (version > 0),
        statement text NOT NULL,
        digest text NOT NULL REFERENCES upkeep.plans (digest),
        action_id text NOT NULL,
        in_force_from timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (target, subject, version),
        UNIQUE (digest, action_id)
    )
    """


def upgrade() -> None:
    """Create the table; rows are only added. Without one, a function is judged by the guide's number."""
    op.execute(_TABLE)
