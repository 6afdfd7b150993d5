"""The weekly look at the thresholds: what is in force, what a metric's history proposes, what does not verify (G19)."""

from __future__ import annotations

from datetime import UTC, datetime

from upkeep.areas.look import Inspection, Sources
from upkeep.areas.thresholds.force import thresholds_in_force
from upkeep.areas.thresholds.propose import found, history
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings


def inspect(sources: Sources) -> LookResult:
    """Hold the bands in force against the last daily windows; the plan puts what is proposed before people."""
    config, target = sources.config, sources.window.target
    with sources.ledger() as session:
        now = thresholds_in_force(session, target)
        values = history(session, target, config.thresholds, datetime.now(UTC))
    return LookResult(found(values, now, config.thresholds))


def _described(config: Settings, target: str) -> str:
    return f"the ledger's daily windows of {target} in the last {config.thresholds.proposals.history_days} days"


INSPECTIONS = (Inspection("thresholds", "include/sql/ledger/daily_values.sql", _described, inspect),)
