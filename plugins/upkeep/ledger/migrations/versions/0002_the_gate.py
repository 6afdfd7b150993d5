"""The gate: plans, shown, decisions, permits, receipts, and the ledger's own identity."""

from alembic import op

revision = "0002"
down_revision = "0001"

_TABLES = (
    "CREATE TABLE upkeep.identity (id uuid PRIMARY KEY DEFAULT gen_random_uuid())",
    "INSERT INTO upkeep.identity DEFAULT VALUES",
    "ALTER TABLE upkeep.steps DROP CONSTRAINT steps_state_check",
    """
    ALTER TABLE upkeep.steps ADD CONSTRAINT steps_state_check
        CHECK (state IN ('ran', 'failed', 'superseded', 'not collected', 'refused', 'frozen'))
    """,
    """
    CREATE TABLE upkeep.plans (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        window_id bigint NOT NULL REFERENCES upkeep.windows,
        target text NOT NULL,
        dag_id text NOT NULL,
        run_id text NOT NULL,
        digest text NOT NULL UNIQUE,
        body text NOT NULL,
        measured jsonb NOT NULL,
        checklist jsonb NOT NULL,
        not_after timestamptz NOT NULL,
        planned_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (dag_id, run_id)
    )
    """,
    "CREATE INDEX plans_target_idx ON upkeep.plans (target, not_after DESC)",
    """
    CREATE TABLE upkeep.shown (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        window_id bigint NOT NULL REFERENCES upkeep.windows,
        dag_id text NOT NULL,
        run_id text NOT NULL,
        task_id text NOT NULL,
        map_index integer NOT NULL,
        try_number integer NOT NULL,
        role text NOT NULL,
        digest text NOT NULL REFERENCES upkeep.plans (digest),
        body_digest text NOT NULL,
        action_ids text[] NOT NULL,
        asked text[] NOT NULL,
        shown_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (id, digest, role)
    )
    """,
    "CREATE INDEX shown_digest_idx ON upkeep.shown (digest, role)",
    """
    CREATE TABLE upkeep.decisions (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        shown_id bigint NOT NULL,
        digest text NOT NULL,
        role text NOT NULL,
        person text NOT NULL CHECK (person <> ''),
        action_ids text[] NOT NULL,
        reviewed text[] NOT NULL,
        comment text NOT NULL,
        responded_at timestamptz NOT NULL,
        decided_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (digest, role),
        FOREIGN KEY (shown_id, digest, role) REFERENCES upkeep.shown (id, digest, role)
    )
    """,
    """
    CREATE TABLE upkeep.permits (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        digest text NOT NULL REFERENCES upkeep.plans (digest),
        action_id text NOT NULL,
        attempt integer NOT NULL CHECK (attempt > 0),
        run_id text NOT NULL,
        backend_pid integer NOT NULL,
        before jsonb NOT NULL,
        permitted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        UNIQUE (digest, action_id, attempt)
    )
    """,
    """
    CREATE TABLE upkeep.receipts (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        permit_id bigint NOT NULL UNIQUE REFERENCES upkeep.permits,
        outcome text NOT NULL CHECK (outcome IN ('done', 'not done')),
        reason text NOT NULL,
        started_at timestamptz,
        ended_at timestamptz,
        lock_wait_ms bigint,
        duration_ms bigint,
        wal_bytes bigint,
        before jsonb NOT NULL,
        after jsonb NOT NULL,
        written_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
)


def upgrade() -> None:
    """Create the tables; the tasks' role may add rows to them and nothing else (docs/gate.md, rule 7)."""
    for statement in _TABLES:
        op.execute(statement)
