"""Looks at the ledger alone: week against week, and what is left of the room. They run after the looks that measure."""

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


class TrendsOperator(Step):
    """The week's numbers beside those of the weeks before (G17)."""

    ui_color = "#cdd9c5"
    asks_about_period = True

    @property
    def source(self) -> str:
        return "include/sql/ledger/weeks.sql"

    def describe(self, window: windows.Window) -> str:
        return f"the ledger's samples of {self.target} week against week"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep import database, ledger, trends

        config, names = settings().maintenance, [metric.name for metric in trends.METRICS]
        with database.session(postgres(config.ledger.tasks), config.sql, read_only=True) as session:
            weeks = ledger.weeks(session, window.target, window.period_end, names, trends.WEEKS)
            for (metric, subject), value in ledger.window_samples(session, window).items():
                if metric in names:  # what this window itself measured goes before another's of the same week
                    weeks.setdefault(metric, {}).setdefault(subject, {})[0] = value
        worse = config.trends.worse_percent
        return ledger.Looked(tuple(trends.compare(one, weeks.get(one.name, {}), worse) for one in trends.METRICS))


class CapacityOperator(Step):
    """The scaling triggers with the function's advice, and days until 80 % of the storage (G18, G94-G98)."""

    ui_color = "#cdd9c5"

    @property
    def source(self) -> str:
        return "include/sql/ledger/metric_points.sql"

    def describe(self, window: windows.Window) -> str:
        return f"the size of {self.target} over time, and what its functions advise"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep import baselines, database, ledger
        from upkeep.checks import capacity

        config, now = settings(), datetime.now(UTC)
        since = now - capacity.FRESH
        with database.session(postgres(config.maintenance.ledger.tasks), config.maintenance.sql, read_only=True) as one:
            history = ledger.metric_points(one, window.target, capacity.SIZE, now - capacity.REACH, now)
            times = ledger.metric_points(one, window.target, baselines.RESPONSE_TIME, since, now)
            standing = baselines_in_force(one, window.target)
            bodies = ledger.answers_of_window(one, window, "database-scalability", "scalability_report")
        held = baselines.response_time(standing, times, config.thresholds, since)
        setting, room = f"targets.{self.target}.storage_bytes", config.target(self.target).storage_bytes
        return capacity.look(capacity.report_of(bodies), history, setting, room, config, now, held)
