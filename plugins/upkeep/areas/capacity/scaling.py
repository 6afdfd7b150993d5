"""The monthly scaling assessment (G27): the weekly look at capacity, a forecast for each trigger, and back-tests. Pure.

A back-test makes the forecast of 30, 60 and 90 days ago again, with only what was known then, and holds it against
what came. A forecast that nobody looked back on is an opinion.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta

from upkeep.areas.baselines.judged import PercentOfBaseline
from upkeep.areas.capacity import growth
from upkeep.areas.capacity import look as weekly
from upkeep.areas.capacity.growth import ENDS
from upkeep.areas.capacity.look import CONNECTIONS, ERROR_RATE, RESPONSE_TIME, SIZE, Trigger
from upkeep.core.findings import Finding, Level, Sample, Topic
from upkeep.core.forecast import Point, daily, project
from upkeep.core.units import amount
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings
from upkeep.wires.functions.database_models import ScalabilityReport

#: Days ago that forecasts are made again as of.
BACK = (30, 60, 90)
#: Of the back-tests at least this share must have held what came. The interval says 95 %; a few of them say less.
HELD = 0.75
#: What a sum of floats is wrong by, as a share: a history without any noise has an interval without width.
_ROUNDING = 1e-9

_DAY = timedelta(days=1)


@dataclass(frozen=True)
class ScalingMetric:
    """A trigger's metric as the daily windows measure it."""

    trigger: Trigger
    name: str
    unit: str


#: Storage has its forecast from the weekly look (capacity:forecast).
METRICS = (
    ScalingMetric(CONNECTIONS, "connections_used", "%"),
    ScalingMetric(RESPONSE_TIME, "response_time", "ms"),
    ScalingMetric(ERROR_RATE, "error_rate", "%"),
)
#: The metrics whose history this look wants, by the samples' name, with their unit.
WANTED = {SIZE: "bytes"} | {metric.name: metric.unit for metric in METRICS}


@dataclass(frozen=True)
class BackTest:
    """What a forecast said ``days`` ago of today, and what came; ``low`` and ``high`` are the 95 % interval's ends."""

    metric: str
    days: int
    said: float
    low: float
    high: float
    came: float

    @property
    def error_percent(self) -> float | None:
        """By how much the middle was off what came, None where nothing came."""
        return None if self.came == 0 else 100 * (self.said - self.came) / abs(self.came)

    @property
    def inside(self) -> bool:
        """Whether the interval held what came."""
        rounding = _ROUNDING * abs(self.came)
        return self.low - rounding <= self.came <= self.high + rounding


def look(
    report: ScalabilityReport | None,
    histories: Mapping[str, Sequence[Point]],
    setting: str,
    room: int | None,
    settings: Settings,
    now: datetime,
    held: PercentOfBaseline | None = None,
) -> LookResult:
    """The weekly look with its keys, three forecasts more, and the back-tests of all four."""
    looked = weekly.look(report, histories.get(SIZE, ()), setting, room, settings, now, held)
    forecasts = [_forecast(one, histories.get(one.name, ()), report, settings, now) for one in METRICS]
    tests = list(back_tests(histories, settings, now))
    wrong: dict[str, list[float]] = {}
    for one in tests:
        if one.error_percent is not None:
            wrong.setdefault(one.metric, []).append(abs(one.error_percent))
    samples = [Sample("forecast_error", statistics.median(off), "%", name) for name, off in sorted(wrong.items())]
    return replace(
        looked,
        findings=(*looked.findings, *forecasts, _back_tested(tests)),
        samples=(*looked.samples, *samples),
    )


def _forecast(
    metric: ScalingMetric, points: Sequence[Point], report: ScalabilityReport | None, settings: Settings, now: datetime
) -> Finding:
    """When a trigger is reached; an advisory when the middle does so within the horizon: one day beyond is no trend."""
    trigger, config = metric.trigger, settings.maintenance.capacity
    history, limit = growth.known(points, now), _limit(metric, report, settings)
    reason = growth.too_little(history, now, config.least_days, config.least_points)
    good = f"not within {config.horizon_days:g} days (config: capacity.horizon_days)"
    subject = f"Days until the trigger: {trigger.subject.lower()}"
    finding = Topic(f"scaling:{trigger.name}", subject, trigger.guide).finding(Level.UNKNOWN, "", good)
    if reason:
        said = f"not collected: no forecast of {metric.name} from so little: {reason}"
        return replace(finding, detail=said, remedy="The daily window measures it: see why it has no samples.")
    if limit is None:
        said = f"not collected: the function did not report the baseline that {trigger.limit(settings):g} % is of"
        return replace(finding, detail=said, remedy="See the answer of scalability_report, scope capacity.")
    ahead, newest = project(history), daily(history)[0]
    days, earliest, latest = growth.reached(ahead, newest, limit, now)
    near = days < config.horizon_days
    span = (history[-1][0] - history[0][0]) / _DAY
    return replace(
        finding,
        level=Level.ADVISORY if near else Level.OK,
        detail=f"now {amount(newest, metric.unit)}; {_when(amount(limit, metric.unit), days, earliest, latest)}; "
        f"moves by {amount(ahead.line.rate, metric.unit)} a day, from {len(history)} samples of {span:.0f} days",
        remedy=trigger.remedy if near else "",
        metadata={"days": days, "earliest": earliest, "latest": latest, "limit": limit, "per_day": ahead.line.rate},
    )


def _limit(metric: ScalingMetric, report: ScalabilityReport | None, settings: Settings) -> float | None:
    """The trigger's limit in the metric's unit; response time is held against the function's baseline."""
    if metric.trigger is not RESPONSE_TIME:
        return metric.trigger.limit(settings)
    baseline = report.response_time_baseline_ms if report else None
    return metric.trigger.limit(settings) / 100 * baseline if baseline and baseline > 0 else None


def _when(limit: str, days: float, earliest: float, latest: float) -> str:
    if days == 0:
        return f"has reached {limit}"
    if math.isinf(earliest):
        return f"is not foreseen to reach {limit}"
    ends = f"from {earliest:.0f} days to {'never' if math.isinf(latest) else f'{latest:.0f} days'}, 95 %"
    return f"reaches {limit} in {'no foreseeable time' if math.isinf(days) else f'{days:.0f} days'} ({ends})"


# Back-tests -----------------------------------------------------------------------------------------------------


def back_tests(histories: Mapping[str, Sequence[Point]], settings: Settings, now: datetime) -> Iterator[BackTest]:
    """The forecasts of 30, 60 and 90 days ago that had enough history then, held against the newest sample."""
    config = settings.maintenance.capacity
    for name in WANTED:
        history = growth.known(histories.get(name, ()), now)
        if growth.too_little(history, now, config.least_days, config.least_points):
            continue
        came_at, came = history[-1][0], daily(history)[0]
        for days in BACK:
            then = came_at - days * _DAY
            before = [point for point in history if point[0] <= then]
            if growth.too_little(before, then, config.least_days, config.least_points):
                continue
            ahead = project(before)
            low, said, high = (ahead.at(came_at, end) for end in (ENDS[0], 0.5, ENDS[1]))
            yield BackTest(name, days, said, low, high, came)


def _back_tested(tests: Sequence[BackTest]) -> Finding:
    """How last months' forecasts did; the table is in the metadata."""
    finding = Topic("scaling:backtest", "Last months' forecasts, looked back on", "G27").finding(
        Level.UNKNOWN,
        "not collected: no metric has the history that a forecast of 30 days ago would have needed",
        f"at least {100 * HELD:.0f} % of them held what came in their 95 % interval",
        "With each month there is more to look back on.",
    )
    if not tests:
        return finding
    held = sum(one.inside for one in tests)
    off = [abs(one.error_percent) for one in tests if one.error_percent is not None]
    typical = f"; the middle was off by {statistics.median(off):.1f} % (median)" if off else ""
    outside = [_outside(one) for one in tests if not one.inside]
    well = held >= HELD * len(tests)
    return replace(
        finding,
        level=Level.OK if well else Level.ADVISORY,
        detail=f"{held} of {len(tests)} forecasts of {_days_ago(tests)} days ago held what came{typical}"
        + ("; outside: " + "; ".join(outside) if outside else ""),
        remedy=""
        if well
        else "Take this month's forecasts with care; see what was changed: a load, more use, a deployment.",
        metadata={"tests": [_row(one) for one in tests]},
    )


def _days_ago(tests: Sequence[BackTest]) -> str:
    return ", ".join(str(days) for days in sorted({one.days for one in tests}))


def _outside(one: BackTest) -> str:
    low, high, came = (amount(value, WANTED[one.metric]) for value in (one.low, one.high, one.came))
    return f"{one.metric} of {one.days} days ago: {low} to {high}, came {came}"


def _row(one: BackTest) -> dict[str, object]:
    return {**asdict(one), "unit": WANTED[one.metric], "error_percent": one.error_percent, "inside": one.inside}
