"""The windows of the calendar as rows: what became of each, also of those that Airflow never made a run for."""

from alembic import op

revision = "0009"
down_revision = "0008"

_CHANGES = (
    """
    CREATE TABLE upkeep.calendars (
        target text NOT NULL,
        cadence text NOT NULL,
        since timestamptz NOT NULL,
        until timestamptz NOT NULL,
        removed_at timestamptz,
        PRIMARY KEY (target, cadence)
    )
    """,
    """
    CREATE TABLE upkeep.due_windows (
        target text NOT NULL,
        cadence text NOT NULL,
        due timestamptz NOT NULL,
        deadline timestamptz NOT NULL CHECK (deadline > due),
        state text NOT NULL CHECK (state IN ('due', 'open', 'done', 'late', 'missed', 'waived', 'frozen')),
        reason text NOT NULL,
        known_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        changed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (target, cadence, due),
        FOREIGN KEY (target, cadence) REFERENCES upkeep.calendars
    )
    """,
    "CREATE INDEX due_windows_unsettled_idx ON upkeep.due_windows (target, cadence, due)"
    " WHERE state IN ('due', 'open', 'missed')",
    """
    CREATE FUNCTION upkeep.due_window_moves() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $$
    BEGIN
        IF OLD.state IN ('done', 'late', 'waived', 'frozen')
           OR (OLD.state = 'missed' AND NEW.state NOT IN ('missed', 'late', 'waived'))
           OR (OLD.state = 'open' AND NEW.state = 'due') THEN
            RAISE EXCEPTION 'the % window of % due % is %, found %',
                OLD.cadence, OLD.target, OLD.due, OLD.state, NEW.state
                USING ERRCODE = 'check_violation', HINT = 'A window that has ended stays as it is.';
        END IF;
        RETURN NEW;
    END
    $$
    """,
    "CREATE TRIGGER due_window_moves BEFORE UPDATE ON upkeep.due_windows"
    " FOR EACH ROW EXECUTE FUNCTION upkeep.due_window_moves()",
)


def upgrade() -> None:
    """Calendars are watched from their first window in the ledger on."""
    for statement in _CHANGES:
        op.execute(statement)
