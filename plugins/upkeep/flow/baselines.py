"""The monthly look at the baselines: what is in force, what history proposes, what drifted (G26)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep.core import windows
from upkeep.flow.connections import postgres
from upkeep.flow.in_force import baselines_in_force
from upkeep.flow.step import Step
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.ledger.write import Looked


class BaselinesOperator(Step):
    """Hold the baselines in force against the last daily windows; the plan puts what is proposed before people."""

    ui_color = "#cdd9c5"

    @property
    def source(self) -> str:
        return "include/sql/ledger/daily_values.sql"

    def describe(self, window: windows.Window) -> str:
        days = settings().thresholds.baselines.history_days
        return f"the ledger's daily windows of {self.target} in the last {days} days"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.baselines.look import drift_since, found
        from upkeep.areas.baselines.propose import history
        from upkeep.ledger import write
        from upkeep.wires import database

        config, now = settings(), datetime.now(UTC)
        since = drift_since(config.thresholds, now)
        with database.session(
            postgres(config.maintenance.ledger.tasks), config.maintenance.sql, read_only=True
        ) as session:
            standing = baselines_in_force(session, window.target, since)
            values = history(session, window.target, config.thresholds, now)
        return write.Looked(found(values, standing, config.thresholds, now))
