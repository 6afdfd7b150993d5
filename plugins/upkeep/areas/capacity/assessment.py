"""The two assessments of capacity: the weekly one (G18, G94-G98), and the monthly one that looks back as well (G27)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any

from upkeep.areas.baselines.force import baselines_in_force
from upkeep.areas.baselines.judged import response_time
from upkeep.areas.baselines.subjects import RESPONSE_TIME
from upkeep.areas.capacity import look, scaling
from upkeep.areas.look import Inspection, Sources
from upkeep.core.forecast import Point
from upkeep.ledger.read import answers_of_window, metric_points
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires.functions.database_models import ScalabilityReport


def _inspect(wanted: Collection[str], judge: Callable[..., LookResult], sources: Sources) -> LookResult:
    config, window, now = sources.config, sources.window, datetime.now(UTC)
    since = now - look.FRESH
    with sources.ledger() as one:
        histories = {name: metric_points(one, window.target, name, now - look.REACH, now) for name in wanted}
        times = metric_points(one, window.target, RESPONSE_TIME, since, now)
        standing = baselines_in_force(one, window.target)
        bodies = answers_of_window(one, window, "database-scalability", "scalability_report")
    held = response_time(standing, times, config.thresholds, since)
    setting, room = f"targets.{sources.target}.storage_bytes", config.target(sources.target).storage_bytes
    return judge(look.report_of(bodies), histories, setting, room, config, now, held)


def _sizes(report: ScalabilityReport | None, histories: Mapping[str, Sequence[Point]], *known: Any) -> LookResult:
    return look.look(report, histories[look.SIZE], *known)


def _weekly(_: Settings, target: str) -> str:
    return f"the size of {target} over time, and what its functions advise"


def _monthly(_: Settings, target: str) -> str:
    return f"size, connections, response time and errors of {target} over time, and forecasts of last months"


_POINTS = "include/sql/ledger/metric_points.sql"

INSPECTIONS = (
    Inspection("capacity", _POINTS, _weekly, partial(_inspect, (look.SIZE,), _sizes)),
    Inspection("scaling", _POINTS, _monthly, partial(_inspect, scaling.WANTED, scaling.look)),
)
