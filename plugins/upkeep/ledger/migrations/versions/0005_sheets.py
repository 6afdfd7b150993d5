"""Sheets beside plans: what people put their names to (sign-on, attestation, sign-off), asked and answered alike."""

from alembic import op

revision = "0005"
down_revision = "0004"

_CHANGES = (
    """
    ALTER TABLE upkeep.plans ADD COLUMN purpose text NOT NULL DEFAULT 'plan'
        CHECK (purpose IN ('plan', 'sign-on', 'attestation', 'sign-off'))
    """,
    "ALTER TABLE upkeep.plans DROP CONSTRAINT plans_dag_id_run_id_key",
    "ALTER TABLE upkeep.plans ADD UNIQUE (dag_id, run_id, purpose)",
    # Two questions that are answered at one moment cannot both count for one person.
    "CREATE UNIQUE INDEX decisions_person_idx ON upkeep.decisions (digest, person) WHERE cardinality(action_ids) > 0",
)


def upgrade() -> None:
    """A run has one of each; what is decided about it hangs on its digest, as for a plan."""
    for statement in _CHANGES:
        op.execute(statement)
