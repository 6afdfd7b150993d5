"""The monthly scaling assessment: what the weekly look at capacity does, with forecasts looked back on (G27)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from upkeep.flow.history import CapacityOperator

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from upkeep.core import windows
    from upkeep.core.forecast import Point
    from upkeep.ledger.write import Looked
    from upkeep.wires.functions.database_models import ScalabilityReport


class ScalingOperator(CapacityOperator):
    """The weekly look, days until each of the four triggers, and what last months' forecasts were worth."""

    def describe(self, window: windows.Window) -> str:
        return f"size, connections, response time and errors of {self.target} over time, and forecasts of last months"

    def wanted(self) -> Collection[str]:
        from upkeep.areas.capacity import scaling

        return scaling.WANTED

    def judge(self, report: ScalabilityReport | None, histories: Mapping[str, Sequence[Point]], *known: Any) -> Looked:
        from upkeep.areas.capacity import scaling

        return scaling.look(report, histories, *known)
