"""Looks at the ledger alone: week against week, and what is left of the room. They run after the looks that measure."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep.flow.connections import postgres
from upkeep.flow.in_force import baselines_in_force
from upkeep.flow.step import Step
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from airflow.sdk import Context

    from upkeep.core import windows
    from upkeep.core.forecast import Point
    from upkeep.ledger.write import Looked
    from upkeep.wires.functions.database_models import ScalabilityReport


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
        from upkeep.areas.performance import trends
        from upkeep.ledger import read, write
        from upkeep.ledger.read import window_samples
        from upkeep.wires import database

        config, names = settings().maintenance, [metric.name for metric in trends.METRICS]
        with database.session(postgres(config.ledger.tasks), config.sql, read_only=True) as session:
            weeks = read.weeks(session, window.target, window.period_end, names, trends.WEEKS)
            for (metric, subject), value in window_samples(session, window).items():
                if metric in names:  # what this window itself measured goes before another's of the same week
                    weeks.setdefault(metric, {}).setdefault(subject, {})[0] = value
        worse = config.trends.worse_percent
        return write.Looked(tuple(trends.compare(one, weeks.get(one.name, {}), worse) for one in trends.METRICS))


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

    def wanted(self) -> Collection[str]:
        """The metrics whose history is looked at."""
        from upkeep.areas.capacity import look

        return (look.SIZE,)

    def judge(self, report: ScalabilityReport | None, histories: Mapping[str, Sequence[Point]], *known: Any) -> Looked:
        """What is found; ``known`` is what ``checks.capacity.look`` is given beside report and history."""
        from upkeep.areas.capacity import look

        return look.look(report, histories[look.SIZE], *known)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.baselines.judged import response_time
        from upkeep.areas.baselines.subjects import RESPONSE_TIME
        from upkeep.areas.capacity import look
        from upkeep.ledger.read import answers_of_window, metric_points
        from upkeep.wires import database

        config, now = settings(), datetime.now(UTC)
        since = now - look.FRESH
        with database.session(postgres(config.maintenance.ledger.tasks), config.maintenance.sql, read_only=True) as one:
            histories = {name: metric_points(one, window.target, name, now - look.REACH, now) for name in self.wanted()}
            times = metric_points(one, window.target, RESPONSE_TIME, since, now)
            standing = baselines_in_force(one, window.target)
            bodies = answers_of_window(one, window, "database-scalability", "scalability_report")
        held = response_time(standing, times, config.thresholds, since)
        setting, room = f"targets.{self.target}.storage_bytes", config.target(self.target).storage_bytes
        return self.judge(look.report_of(bodies), histories, setting, room, config, now, held)
