"""The ledger's first tables: windows, steps, findings, samples, answers, reports."""

from alembic import op

revision = "0001"
down_revision = None

_TABLES = (
    """
    CREATE TABLE upkeep.windows (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        target text NOT NULL,
        cadence text NOT NULL,
        due timestamptz NOT NULL,
        kind text NOT NULL CHECK (kind IN ('calendar', 'manual')),
        manual_run_id text NOT NULL DEFAULT '',
        dag_id text NOT NULL,
        run_id text NOT NULL,
        deadline timestamptz NOT NULL CHECK (deadline > due),
        period_start timestamptz NOT NULL,
        period_end timestamptz NOT NULL CHECK (period_end > period_start),
        requested_by text NOT NULL,
        opened_at timestamptz NOT NULL DEFAULT now(),
        outcome text,
        closed_at timestamptz,
        CHECK ((kind = 'manual') = (manual_run_id <> '')),
        UNIQUE (target, cadence, due, kind, manual_run_id)
    )
    """,
    """
    CREATE TABLE upkeep.steps (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        window_id bigint NOT NULL REFERENCES upkeep.windows,
        step text NOT NULL,
        run_id text NOT NULL,
        try_number integer NOT NULL,
        state text NOT NULL CHECK (state IN ('ran', 'failed', 'superseded', 'not collected')),
        reason text NOT NULL,
        source text NOT NULL,
        digest text NOT NULL,
        started_at timestamptz NOT NULL,
        ended_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX steps_window_idx ON upkeep.steps (window_id, step, id DESC)",
    """
    CREATE TABLE upkeep.findings (
        step_id bigint NOT NULL REFERENCES upkeep.steps,
        position integer NOT NULL,
        key text NOT NULL CHECK (length(key) <= 500),
        level text NOT NULL CHECK (level IN ('ok', 'advisory', 'warning', 'critical', 'unknown')),
        subject text NOT NULL,
        detail text NOT NULL,
        expected text NOT NULL,
        remedy text NOT NULL,
        guide text NOT NULL,
        metadata jsonb NOT NULL,
        PRIMARY KEY (step_id, position)
    )
    """,
    "CREATE INDEX findings_key_idx ON upkeep.findings (key, step_id) WHERE level <> 'ok'",
    """
    CREATE TABLE upkeep.samples (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        step_id bigint NOT NULL REFERENCES upkeep.steps,
        metric text NOT NULL,
        subject text NOT NULL,
        value double precision NOT NULL,
        unit text NOT NULL,
        taken_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    "CREATE INDEX samples_step_idx ON upkeep.samples (step_id)",
    "CREATE INDEX samples_metric_idx ON upkeep.samples (metric, subject, taken_at DESC)",
    """
    CREATE TABLE upkeep.answers (
        step_id bigint PRIMARY KEY REFERENCES upkeep.steps,
        function text NOT NULL,
        action text NOT NULL,
        body text NOT NULL,
        digest text NOT NULL
    )
    """,
    """
    CREATE TABLE upkeep.reports (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        window_id bigint NOT NULL REFERENCES upkeep.windows,
        dag_id text NOT NULL,
        run_id text NOT NULL,
        made_at timestamptz NOT NULL DEFAULT now(),
        level text NOT NULL,
        headline text NOT NULL,
        html text NOT NULL,
        body text NOT NULL,
        digest text NOT NULL
    )
    """,
    "CREATE INDEX reports_run_idx ON upkeep.reports (dag_id, run_id, id DESC)",
)


def upgrade() -> None:
    """Create the tables; rows are only added, but for a window's outcome."""
    for statement in _TABLES:
        op.execute(statement)
