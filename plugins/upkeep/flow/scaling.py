"""The monthly scaling assessment: what the weekly look at capacity does, with forecasts looked back on (G27)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep.flow.connections import postgres
from upkeep.flow.in_force import baselines_in_force
from upkeep.flow.step import Step
from upkeep.settings import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep import windows
    from upkeep.ledger import Looked


class ScalingOperator(Step):
    """The weekly look, days until each of the four triggers, and what last months' forecasts were worth."""

    ui_color = "#cdd9c5"

    @property
    def source(self) -> str:
        return "include/sql/ledger/metric_points.sql"

    def describe(self, window: windows.Window) -> str:
        return f"size, connections, response time and errors of {self.target} over time, and forecasts of last months"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep import baselines, database, ledger
        from upkeep.checks import capacity, scaling

        config, now = settings(), datetime.now(UTC)
        since = now - capacity.FRESH
        with database.session(postgres(config.maintenance.ledger.tasks), config.maintenance.sql, read_only=True) as one:
            histories = {
                name: ledger.metric_points(one, window.target, name, now - capacity.REACH, now)
                for name in scaling.WANTED
            }
            times = ledger.metric_points(one, window.target, baselines.RESPONSE_TIME, since, now)
            standing = baselines_in_force(one, window.target)
            bodies = ledger.answers_of_window(one, window, "database-scalability", "scalability_report")
        held = baselines.response_time(standing, times, config.thresholds, since)
        setting, room = f"targets.{self.target}.storage_bytes", config.target(self.target).storage_bytes
        return scaling.look(capacity.report_of(bodies), histories, setting, room, config, now, held)
