"""Snapshots of what a look compares with the last one, and the thresholds that people put in force."""

from alembic import op

revision = "0003"
down_revision = "0002"

_TABLES = (
    """
    CREATE TABLE upkeep.snapshots (
        step_id bigint PRIMARY KEY REFERENCES upkeep.steps,
        body jsonb NOT NULL,
        digest text NOT NULL
    )
    """,
    """
    CREATE TABLE upkeep.thresholds (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        target text NOT NULL,
        version integer NOT NULL CHECK (version > 1),
        metric text NOT NULL,
        statement text NOT NULL,
        digest text NOT NULL REFERENCES upkeep.plans (digest),
        action_id text NOT NULL,
        in_force_from timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (target, version),
        UNIQUE (digest, action_id)
    )
    """,
)


def upgrade() -> None:
    """Create the tables; rows are only added. Version 1 is what config/thresholds.yaml says."""
    for statement in _TABLES:
        op.execute(statement)
