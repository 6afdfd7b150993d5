"""The scaling triggers with the function's advice beside each (G94-G98), and days until the storage's (G18). Pure.

A trigger is ours: judged strictly, from the function's number, and for storage from our own. What the function advises
is attached to the finding of its trigger, so that one thing that happens is one finding.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from upkeep.areas.baselines.judged import PercentOfBaseline
from upkeep.areas.capacity import growth
from upkeep.areas.capacity.growth import Forecast, NoForecast
from upkeep.areas.performance.weekly_answers import text
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.forecast import Point
from upkeep.core.units import amount
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires.functions.contract import ContractError, parse_answer
from upkeep.wires.functions.database_models import ScalabilityReport

#: What the daily window calls the database's size.
SIZE = "database_bytes"
#: How far back a forecast looks.
REACH = timedelta(days=400)
#: A size of our own that is older than this is not today's.
FRESH = timedelta(days=2)
#: Samples of the history that a report draws.
DRAWN = 120


@dataclass(frozen=True)
class Trigger:
    """Above which share it is advised to scale (config/thresholds.yaml: triggers); the limit itself is in order."""

    name: str
    guide: str
    field: str
    subject: str
    of: str
    remedy: str

    def limit(self, settings: Settings) -> float:
        """The share in percent."""
        return float(getattr(settings.thresholds.triggers, f"{self.name}_percent"))


CONNECTIONS = Trigger(
    "connections",
    "G95",
    "connections_percent",
    "Room for connections",
    "of the available connections",
    "Pool connections better before more of them are allowed.",
)
RESPONSE_TIME = Trigger(
    "response_time",
    "G96",
    "response_time_percent_of_baseline",
    "Response time against its baseline",
    "of the baseline",
    "Find what became slow; scale up when it is the load.",
)
ERROR_RATE = Trigger(
    "error_rate", "G97", "error_rate_percent", "Error rate", "of requests", "Investigate and optimise what fails."
)
STORAGE = Trigger(
    "storage", "G98", "storage_used_percent", "Room for storage", "of the storage", "Plan for more storage."
)


@dataclass(frozen=True)
class Storage:
    """What the database takes and may take: by our own look and config, and as the function says. None: not known."""

    own_bytes: float | None
    configured_bytes: int | None
    setting: str


def report_of(bodies: Sequence[str]) -> ScalabilityReport | None:
    """The newest capacity report among a window's answers, None when there is none."""
    for body in bodies:
        try:
            answer = parse_answer("database-scalability", "scalability_report", body)
        except ContractError:  # the step that called says so itself
            continue
        if isinstance(answer.result, ScalabilityReport) and answer.result.report_scope != "performance":
            return answer.result
    return None


def look(
    report: ScalabilityReport | None,
    history: Sequence[Point],
    setting: str,
    room: int | None,
    settings: Settings,
    now: datetime,
    held: PercentOfBaseline | None = None,
) -> LookResult:
    """The four triggers and the forecast. ``setting`` is where ``room``, the storage's size in bytes, is configured.

    ``held`` is the response time beside our own baseline, None where none is in force.
    """
    fresh = [size for at, size in history if now - at <= FRESH]
    storage = Storage(fresh[-1] if fresh else None, room, setting)
    config = settings.maintenance.capacity
    available = _room(storage, report)
    found = growth.forecast(
        history,
        None if available is None else STORAGE.limit(settings) / 100 * available,
        now,
        least_days=config.least_days,
        least_points=config.least_points,
    )
    findings = [
        _judged(CONNECTIONS, report, _of(CONNECTIONS, report), settings),
        _response_time(held, report, settings),
        _judged(ERROR_RATE, report, _of(ERROR_RATE, report), settings),
    ]
    percent = _percent(storage, report)
    findings += [
        _storage(storage, report, percent, settings),
        _forecast(found, storage, report, history, settings, now),
    ]
    samples = [Sample("storage_used", percent, "%")] if percent is not None else []
    if isinstance(found, Forecast) and found.days is not None and math.isfinite(found.days):
        samples.append(Sample("days_until_full", found.days, "days"))
    return LookResult(tuple(findings), tuple(samples))


def _of(trigger: Trigger, report: ScalabilityReport | None) -> float | None:
    value: float | None = getattr(report, trigger.field, None)
    return value


def _judged(
    trigger: Trigger, report: ScalabilityReport | None, value: float | None, settings: Settings, why: str = ""
) -> Finding:
    """One trigger with the advice for it; advice without a reason of ours to fire is an advisory."""
    limit = trigger.limit(settings)
    advice = [one.advice for one in report.recommendations if one.trigger == trigger.name] if report else []
    why = why or ("the function did not report it" if report else "there is no capacity report of this window")
    if value is None or value < 0:
        level = Level.UNKNOWN
    elif value > limit:
        level = Level.WARNING
    else:
        level = Level.ADVISORY if advice else Level.OK
    said = f"not collected: {why}" if value is None else f"{value:.4g} % {trigger.of}"
    advised = "".join(f" The function advises: {text(one)}" for one in advice[:3])
    return Topic(f"capacity:{trigger.name}", trigger.subject, trigger.guide).finding(
        level,
        said + (", which cannot be" if value is not None and value < 0 else ""),
        f"at most {limit:g} % {trigger.of}",
        trigger.remedy + advised,
        {"advice": advice} if advice else {},
    )


def _response_time(held: PercentOfBaseline | None, report: ScalabilityReport | None, settings: Settings) -> Finding:
    """The trigger for response times, by our baseline where one is in force and can be used, else by the function's."""
    told = _of(RESPONSE_TIME, report)
    if held is not None and held.percent is not None:
        finding = _judged(RESPONSE_TIME, report, held.percent, settings)
        beside = "" if told is None else f"; the function says {told:.4g} % of its own"
        return replace(finding, detail=f"{finding.detail}: {held.words}{beside}")
    finding = _judged(RESPONSE_TIME, report, told, settings)
    why = held.words if held else "no baseline of ours is in force (G26)"
    return replace(finding, detail=f"{finding.detail}; by the function's own: {why}")


def _room(storage: Storage, report: ScalabilityReport | None) -> float | None:
    return storage.configured_bytes or (report.storage_capacity_bytes if report else None) or None


def _percent(storage: Storage, report: ScalabilityReport | None) -> float | None:
    """What is taken of the room, in percent, from our own size and config where they are known."""
    told = report.storage_used_bytes if report else None
    size = told if storage.own_bytes is None else storage.own_bytes
    room = _room(storage, report)
    if size is None or room is None:
        return report.storage_used_percent if report else None
    return 100 * size / room


def _storage(storage: Storage, report: ScalabilityReport | None, percent: float | None, settings: Settings) -> Finding:
    """The trigger for storage; whose sizes it was judged by, and whether the function knows another one."""
    told = report.storage_capacity_bytes if report else None
    missing = f"no size is configured (config/maintenance.yaml: {storage.setting})"
    finding = _judged(STORAGE, report, percent, settings, why=missing if storage.configured_bytes is None else "")
    if percent is None:
        return finding
    said = finding.detail
    if storage.own_bytes is not None:
        said += f"; the database takes {amount(storage.own_bytes, 'bytes')}"
    if storage.configured_bytes is None:
        return replace(finding, detail=f"{said}; the room is the function's, {missing}")
    said += f" of the configured {amount(storage.configured_bytes, 'bytes')}"
    if told is None:
        return replace(finding, detail=said)
    said += f", the function says {amount(told, 'bytes')}"
    allowed = settings.maintenance.checks.disagreement_percent / 100 * storage.configured_bytes
    if abs(told - storage.configured_bytes) <= allowed:
        return replace(finding, detail=said)
    level = min(finding.level, Level.ADVISORY, key=lambda level: level.rank)
    return replace(finding, level=level, detail=f"{said}: they disagree, and one of them is wrong")


def _forecast(
    found: Forecast | NoForecast,
    storage: Storage,
    report: ScalabilityReport | None,
    history: Sequence[Point],
    settings: Settings,
    now: datetime,
) -> Finding:
    """When the trigger's share of the room is reached; an advisory when it may be within the horizon."""
    full = f"{STORAGE.limit(settings):g} %"
    room, horizon_days = _room(storage, report), settings.maintenance.capacity.horizon_days
    if isinstance(found, NoForecast):
        level, said = Level.UNKNOWN, f"not collected: no forecast from so little: {found.reason}"
        remedy = "The daily window measures the size; with each day there is more to forecast from."
    elif room is None or found.earliest is None:
        level = Level.UNKNOWN
        said = f"not collected: no size is configured (config/maintenance.yaml: {storage.setting}); {_grows(found)}"
        remedy = "Configure how large the storage is."
    else:
        level = Level.ADVISORY if found.earliest < horizon_days else Level.OK
        said = f"{_reached(found, full)} of {amount(room, 'bytes')}; {_grows(found)}"
        remedy = "See which tables grow (Table sizes), archive what is old, or plan for more storage."
    return Topic("capacity:forecast", f"Days until {full} of the storage", "G18").finding(
        level,
        said,
        f"{full} not within {horizon_days:g} days (config: capacity.horizon_days)",
        remedy,
        {} if isinstance(found, NoForecast) else _drawn(found, room, STORAGE.limit(settings), history, now),
    )


def _drawn(
    found: Forecast, room: float | None, percent: float, history: Sequence[Point], now: datetime
) -> dict[str, Any]:
    """What the report draws: at most ``DRAWN`` samples, in days from now, with the newest."""
    step = max(1, -(-len(history) // DRAWN))
    thinned = history[::-1][::step][::-1]
    return {
        "bytes_per_day": [found.low, found.per_day, found.high],
        "ahead": [[round(days, 3), *sizes] for days, *sizes in found.path],
        "limit_bytes": None if room is None else percent / 100 * room,
        "limit_percent": percent,
        "history": [[round((at - now) / timedelta(days=1), 3), size] for at, size in thinned],
    }


def _grows(found: Forecast) -> str:
    low, middle, high = (amount(rate, "bytes") for rate in (found.low, found.per_day, found.high))
    moves = f"shrinks by {amount(-found.per_day, 'bytes')}" if found.per_day < 0 else f"grows by {middle}"
    return f"{moves} a day ({low} to {high}, 95 %), from {found.points} samples of {found.span_days:.0f} days"


def _reached(found: Forecast, full: str) -> str:
    days, earliest, latest = found.days, found.earliest, found.latest
    if days is None or earliest is None or latest is None or math.isinf(earliest):
        return f"never reaches {full}"
    if days == 0:
        return f"has reached {full}"
    ends = f"{earliest:.0f} days to {'never' if math.isinf(latest) else f'{latest:.0f} days'}"
    return f"reaches {full} in {'no foreseeable time' if math.isinf(days) else f'{days:.0f} days'} (from {ends})"
