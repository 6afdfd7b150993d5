"""Alerts as rows: what is in trouble, who was told of it, and the messages that wait to be sent."""

from alembic import op

revision = "0010"
down_revision = "0009"

_TABLES = (
    """
    CREATE TABLE upkeep.alerts (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        target text NOT NULL,
        key text NOT NULL,
        level text NOT NULL CHECK (level IN ('critical', 'unknown', 'warning', 'advisory')),
        cause text NOT NULL,
        detail text NOT NULL,
        remedy text NOT NULL,
        members jsonb NOT NULL,
        findings integer NOT NULL,
        owner text NOT NULL,
        dag_id text NOT NULL,
        run_id text NOT NULL,
        channel text NOT NULL,
        reminded boolean NOT NULL,
        since timestamptz NOT NULL,
        changed_at timestamptz NOT NULL,
        ended_at timestamptz,
        settled boolean NOT NULL DEFAULT false,
        acknowledged_by text NOT NULL DEFAULT '',
        acknowledged_why text NOT NULL DEFAULT '',
        acknowledged_level text NOT NULL DEFAULT '',
        acknowledged_until timestamptz,
        CHECK (ended_at IS NOT NULL OR NOT settled)
    )
    """,
    "CREATE UNIQUE INDEX alerts_open_key ON upkeep.alerts (target, key) WHERE ended_at IS NULL",
    "CREATE INDEX alerts_unsettled_idx ON upkeep.alerts (id) WHERE NOT settled",
    """
    CREATE TABLE upkeep.outbox (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        key text NOT NULL UNIQUE,
        channel text NOT NULL,
        target text NOT NULL,
        level text NOT NULL,
        body jsonb NOT NULL,
        made_at timestamptz NOT NULL,
        state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sent', 'dead')),
        attempts integer NOT NULL DEFAULT 0,
        next_attempt timestamptz NOT NULL,
        failed_at timestamptz,
        sent_at timestamptz,
        error text NOT NULL DEFAULT '',
        CHECK ((state = 'sent') = (sent_at IS NOT NULL))
    )
    """,
    "CREATE INDEX outbox_due_idx ON upkeep.outbox (next_attempt, id) WHERE state = 'due'",
    "CREATE INDEX outbox_made_idx ON upkeep.outbox (made_at)",
    """
    CREATE TABLE upkeep.tellings (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        alert_id bigint NOT NULL REFERENCES upkeep.alerts,
        channel text NOT NULL,
        level text NOT NULL,
        told_at timestamptz NOT NULL,
        outbox_id bigint REFERENCES upkeep.outbox
    )
    """,
    "CREATE INDEX tellings_alert_idx ON upkeep.tellings (alert_id, channel, id DESC)",
)


def upgrade() -> None:
    """Create the tables; a telling is only added, an alert that has ended and a message that was sent stay."""
    for statement in _TABLES:
        op.execute(statement)
