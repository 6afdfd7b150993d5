"""The watch as rows: a sample of each target and poll, the hours that they become, and what holds by now."""

from alembic import op

revision = "0011"
down_revision = "0010"

_TABLES = (
    """
    CREATE TABLE upkeep.watch_samples (
        target text NOT NULL,
        slot timestamptz NOT NULL,
        taken_at timestamptz NOT NULL,
        level text NOT NULL CHECK (level IN ('ok', 'advisory', 'warning', 'critical', 'unknown')),
        health double precision,
        metrics jsonb NOT NULL,
        latencies jsonb NOT NULL,
        during text NOT NULL,
        PRIMARY KEY (target, slot)
    )
    """,
    """
    CREATE TABLE upkeep.watch_hours (
        target text NOT NULL,
        hour timestamptz NOT NULL,
        samples integer NOT NULL CHECK (samples > 0),
        unknown integer NOT NULL,
        lowest_health double precision,
        mean_health double precision,
        latencies jsonb NOT NULL,
        PRIMARY KEY (target, hour)
    )
    """,
    """
    CREATE TABLE upkeep.watch_states (
        target text NOT NULL,
        key text NOT NULL CHECK (length(key) <= 500),
        level text NOT NULL CHECK (level IN ('ok', 'advisory', 'warning', 'critical', 'unknown')),
        since timestamptz NOT NULL,
        last timestamptz NOT NULL,
        towards text,
        from_ timestamptz,
        against integer NOT NULL,
        source text NOT NULL,
        subject text NOT NULL,
        detail text NOT NULL,
        expected text NOT NULL,
        remedy text NOT NULL,
        guide text NOT NULL,
        during text NOT NULL,
        PRIMARY KEY (target, key)
    )
    """,
)


def upgrade() -> None:
    """Create the tables; the tasks' role may take samples away that have become hours."""
    for statement in _TABLES:
        op.execute(statement)
