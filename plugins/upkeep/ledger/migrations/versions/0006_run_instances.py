"""Run instances: Airflow gives a deleted run's id again, so plans, sheets, shown and reports name the run itself."""

from alembic import op

revision = "0006"
down_revision = "0005"

_CHANGES = (
    "ALTER TABLE upkeep.windows ADD COLUMN manual_instance text NOT NULL DEFAULT ''",
    "ALTER TABLE upkeep.windows ADD CHECK (kind = 'manual' OR manual_instance = '')",
    "ALTER TABLE upkeep.windows DROP CONSTRAINT windows_target_cadence_due_kind_manual_run_id_key",
    "ALTER TABLE upkeep.windows ADD UNIQUE (target, cadence, due, kind, manual_run_id, manual_instance)",
    "ALTER TABLE upkeep.plans ADD COLUMN instance text NOT NULL DEFAULT ''",
    "ALTER TABLE upkeep.plans DROP CONSTRAINT plans_dag_id_run_id_purpose_key",
    "ALTER TABLE upkeep.plans ADD UNIQUE (dag_id, run_id, instance, purpose)",
    "ALTER TABLE upkeep.shown ADD COLUMN instance text NOT NULL DEFAULT ''",
    "ALTER TABLE upkeep.reports ADD COLUMN instance text NOT NULL DEFAULT ''",
)


def upgrade() -> None:
    """Rows from before name no instance: no run finds them as its own any more, and what they asked is asked anew."""
    for statement in _CHANGES:
        op.execute(statement)
