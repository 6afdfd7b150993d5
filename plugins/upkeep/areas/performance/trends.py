"""Week against week (G17): what this week measured beside the weeks before. Pure.

A week is seven days up to the end of the window's period. Of several samples in one week (the daily windows', or a
second run by hand) the median counts. The week before is compared with; where it has none, the newest one that has.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from upkeep.areas.look import Inspection, Sources
from upkeep.core.findings import Finding, Level, Topic
from upkeep.core.units import amount
from upkeep.ledger import read
from upkeep.ledger.write import LookResult
from upkeep.settings.load import Settings

#: Weeks that are looked back on.
WEEKS = 12
#: Parts (functions, severities) of a metric that one finding names.
NAMED = 10


@dataclass(frozen=True)
class TrendMetric:
    """What is compared. ``least`` is the difference from which on a change counts, in ``unit``: less is noise.

    ``worse`` says whether more of it is worse; what is only watched (requests, bytes) is never an advisory. ``parts``
    is what the samples' subjects are, empty where there are none.
    """

    name: str
    title: str
    unit: str
    guide: str
    worse: bool
    least: float
    parts: str = ""


METRICS = (
    TrendMetric("week_requests", "Requests", "requests", "G91", worse=False, least=100, parts="function"),
    TrendMetric("week_error_rate", "Error rate", "%", "G89", worse=True, least=0.1, parts="function"),
    TrendMetric("week_response_time", "Response time", "ms", "G88", worse=True, least=10, parts="function"),
    TrendMetric("week_response_time_p95", "Response time, 95th percentile", "ms", "G21", True, 20, "function"),
    TrendMetric("week_errors", "Errors", "errors", "G22", worse=True, least=10, parts="severity"),
    TrendMetric("week_connections", "Connections taken", "%", "G17", worse=True, least=5),
    TrendMetric("week_database_bytes", "Database size", "bytes", "G93", worse=False, least=2**20),
    TrendMetric("rate_limited_requests", "Requests answered with 429", "%", "G92", worse=True, least=0.1),
    TrendMetric("latency_cold", "Cold starts", "ms", "G86", worse=True, least=50, parts="function"),
)

#: Those that a report plots over the weekly windows.
PLOTTED = tuple(metric for metric in METRICS if metric.name.startswith("week_"))

#: Subject ("" is the whole) → weeks ago (0 is this one) → value.
Weeks = Mapping[str, Mapping[int, float]]


@dataclass(frozen=True)
class WeekChange:
    """One number beside the newest one before it; ``ago`` is how many weeks lie between."""

    now: float
    before: float
    ago: int

    @property
    def percent(self) -> float | None:
        """By how much it grew, None where it grew from nothing."""
        return None if self.before == 0 else 100 * (self.now - self.before) / abs(self.before)

    def is_worse(self, metric: TrendMetric, worse_percent: float) -> bool:
        """Whether it grew by more than config allows and by more than noise."""
        grew = self.now - self.before
        by_percent = self.percent is None or self.percent > worse_percent
        return metric.worse and grew >= metric.least and by_percent


def change(values: Mapping[int, float]) -> WeekChange | None:
    """The week beside the newest week before it; None without the one or the other."""
    ago = min((week for week in values if week > 0), default=None)
    return None if ago is None or 0 not in values else WeekChange(values[0], values[ago], ago)


def compare(metric: TrendMetric, weeks: Weeks, worse_percent: float) -> Finding:
    """One metric as a finding: an advisory when it, or one of its parts, is worse than the week before."""
    whole = weeks.get("", {})
    parts = {name: values for name, values in sorted(weeks.items()) if name}
    changes = {name: found for name, values in parts.items() if (found := change(values))}
    worse = {name: found for name, found in changes.items() if found.is_worse(metric, worse_percent)}
    moved = change(whole)
    known = 0 in whole or any(0 in values for values in parts.values())
    level = Level.OK if known else Level.UNKNOWN
    if known and (worse or (moved and moved.is_worse(metric, worse_percent))):
        level = Level.ADVISORY
    said = [_whole(metric, whole)] if whole or not parts else []
    said += _parts(metric, parts, changes, worse, worse_percent)
    return Topic(f"trend:{metric.name}", f"{metric.title}, week against week", metric.guide).finding(
        level,
        "; ".join(said),
        f"at most {worse_percent:g} % more than the week before" if metric.worse else "watched, without a limit",
        "See what was changed in that week: a deployment, a plan that was applied, more use.",
        {name or "whole": dict(sorted(values.items())) for name, values in sorted(weeks.items())},
    )


def _whole(metric: TrendMetric, values: Mapping[int, float]) -> str:
    before = {week: value for week, value in values.items() if week > 0}
    if 0 not in values:
        last = f"; last known {_weeks(min(before))}: {amount(before[min(before)], metric.unit)}" if before else ""
        return f"not collected this week{last}"
    now = amount(values[0], metric.unit)
    moved = change(values)
    if moved is None:
        return f"{now}; first week, nothing to compare with"
    said = f"{now}, {_moved(metric, moved)}"
    if len(before) > 1:
        said += f"; median of {len(before)} weeks {amount(statistics.median(before.values()), metric.unit)}"
    missing = [week for week in range(1, max(before)) if week not in before]
    return said + (f"; without a sample: {', '.join(_weeks(week) for week in missing)}" if missing else "")


def _parts(
    metric: TrendMetric,
    parts: Weeks,
    changes: Mapping[str, WeekChange],
    worse: Mapping[str, WeekChange],
    worse_percent: float,
) -> Iterable[str]:
    if not parts:
        return
    told = sorted(worse, key=lambda name: changes[name].before - changes[name].now)
    for name in told[:NAMED]:
        yield f"{metric.parts} {name}: {amount(changes[name].now, metric.unit)}, {_moved(metric, changes[name])}"
    if len(told) > NAMED:
        yield f"and {len(told) - NAMED} more that are worse"
    if metric.worse and changes and not told:
        yield f"none of {len(changes)} by {metric.parts} is worse by more than {worse_percent:g} %"


def _moved(metric: TrendMetric, found: WeekChange) -> str:
    percent = "" if found.percent is None else f" ({found.percent:+.0f} %)"
    return f"{_weeks(found.ago)} {amount(found.before, metric.unit)}{percent}"


def _weeks(ago: int) -> str:
    return "last week" if ago == 1 else f"{ago} weeks ago"


def inspect(sources: Sources) -> LookResult:
    """The week's numbers beside those of the weeks before (G17), from the ledger's samples."""
    window, names = sources.window, [metric.name for metric in METRICS]
    with sources.ledger() as session:
        weeks = read.weeks(session, window.target, window.period_end, names, WEEKS)
        for (metric, subject), value in read.window_samples(session, window).items():
            if metric in names:  # what this window itself measured goes before another's of the same week
                weeks.setdefault(metric, {}).setdefault(subject, {})[0] = value
    worse = sources.config.maintenance.trends.worse_percent
    return LookResult(tuple(compare(one, weeks.get(one.name, {}), worse) for one in METRICS))


def _described(_: Settings, target: str) -> str:
    return f"the ledger's samples of {target} week against week"


INSPECTIONS = (Inspection("trends", "include/sql/ledger/weeks.sql", _described, inspect, asks_about_period=True),)
