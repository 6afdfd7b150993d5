"""What a month costs by measured use, and what could be saved: the ledger's samples and a look at the target (G30)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from upkeep import windows
from upkeep.flow.connections import postgres, replicas
from upkeep.flow.step import NotCollected, Step
from upkeep.settings import settings

if TYPE_CHECKING:
    from airflow.sdk import Context

    from upkeep.costs import Saving
    from upkeep.ledger import Looked
    from upkeep.settings import Cost


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
        from upkeep import costs, database, ledger, trends
        from upkeep.checks.capacity import SIZE

        config, now = settings().maintenance, datetime.now(UTC)
        if config.cost is None:
            raise NotCollected("no prices are configured (config/maintenance.yaml: cost)")
        with database.session(postgres(config.ledger.tasks), config.sql, read_only=True) as session:
            sizes = ledger.metric_points(session, window.target, SIZE, now - costs.STALE, now)
            calls = "week_requests"
            weeks = ledger.weeks(session, window.target, window.period_end, [calls], trends.WEEKS).get(calls, {})
        use = costs.used([value for _, value in sizes], weeks)
        savings = [*self._on_disk(config.cost, now), *costs.idle_savings(config.cost, weeks)]
        findings, samples = costs.findings(config.cost, use, savings)
        return ledger.Looked(tuple(findings), tuple(samples))

    def _on_disk(self, cost: Cost, now: datetime) -> list[Saving]:
        from upkeep import database
        from upkeep.checks import Look, costs

        config = settings()
        read = config.target(self.target).connections.read
        with database.session(postgres(read), config.maintenance.sql, read_only=True) as session:
            look = Look(session, config, now, replicas=replicas(self.target))
            found = costs.unused(look)
            return [*([found] if found else []), *costs.old_logs(look, cost.retention_days)]
