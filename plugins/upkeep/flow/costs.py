"""What a month costs by measured use, and what could be saved: the ledger's samples and a look at the target (G30)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep.core import windows
from upkeep.flow.connections import postgres, replicas
from upkeep.flow.step import NotCollected, Step
from upkeep.settings.load import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.areas.costs.prices import Saving
    from upkeep.ledger.write import Looked
    from upkeep.settings.cost import Cost


class CostOperator(Step):
    """The month by configured prices, and savings with their amounts; without prices NOT COLLECTED."""

    ui_color = "#d9cdea"

    @property
    def source(self) -> str:
        return "include/sql/costs"

    def describe(self, window: windows.Window) -> str:
        return f"what {self.target} used in the last month by the prices of config, and what of it could go"

    def execute(self, context: Context) -> dict[str, Any]:
        return self.carry_out(context, self._look)

    def _look(self, window: windows.Window) -> Looked:
        from upkeep.areas.capacity.look import SIZE
        from upkeep.areas.costs import prices
        from upkeep.areas.performance import trends
        from upkeep.ledger import read as ledger_read
        from upkeep.ledger import write
        from upkeep.ledger.read import metric_points
        from upkeep.wires import database

        config, now = settings().maintenance, datetime.now(UTC)
        if config.cost is None:
            raise NotCollected("no prices are configured (config/maintenance.yaml: cost)")
        with database.session(postgres(config.ledger.tasks), config.sql, read_only=True) as session:
            sizes = metric_points(session, window.target, SIZE, now - prices.STALE, now)
            calls = "week_requests"
            weeks = ledger_read.weeks(session, window.target, window.period_end, [calls], trends.WEEKS).get(calls, {})
        use = prices.used([value for _, value in sizes], weeks)
        savings = [*self._on_disk(config.cost, now), *prices.idle_savings(config.cost, weeks)]
        findings, samples = prices.findings(config.cost, use, savings)
        return write.Looked(tuple(findings), tuple(samples))

    def _on_disk(self, cost: Cost, now: datetime) -> list[Saving]:
        from upkeep.areas.costs import look as costs
        from upkeep.areas.look import Look
        from upkeep.wires import database

        config = settings()
        read = config.target(self.target).connections.read
        with database.session(postgres(read), config.maintenance.sql, read_only=True) as session:
            look = Look(session, config, now, replicas=replicas(self.target))
            found = costs.unused(look)
            return [*([found] if found else []), *costs.old_logs(look, cost.retention_days)]
