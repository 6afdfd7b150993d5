"""New bands from a metric's own history (G19), inside hard bounds, as actions for people to approve.

The method. A metric's values of the last daily windows are taken as distances from its best value (0 ms, 100 % health),
so that for every metric more is worse. Warning is to begin where an ordinary day no longer reaches (``robust``, where
its sources stand): at the 0.95 quantile or three robust deviations from the median, whichever is further.

The result is rounded up to two significant digits and clamped to config's bounds. Critical keeps its ratio to warning,
rounded and clamped likewise. Nothing is proposed from fewer windows than ``least_windows``, for a move of less than
``least_change_percent``, or where the bounds leave no room between warning and critical.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from upkeep.areas import versioned
from upkeep.areas.thresholds.force import KIND, ThresholdsInForce, in_force, statement
from upkeep.core import statistics as robust
from upkeep.core.findings import Bands, Finding, Level, Topic
from upkeep.gate.plans.model import Action, Proposal
from upkeep.ledger.read import daily_values
from upkeep.settings.load import Settings
from upkeep.settings.thresholds import Thresholds
from upkeep.wires.database import Session

History = Mapping[str, Sequence[float]]


def history(session: Session, target: str, config: Thresholds, now: datetime) -> dict[str, list[float]]:
    """Metric → its values in the calendar's daily windows of the last ``history_days``, oldest first."""
    since = now - timedelta(days=config.proposals.history_days)
    values = daily_values(session, target, config.metrics, since, now)
    return {metric: [value for _, value in values.get((metric, ""), ())] for metric in config.metrics}


@dataclass(frozen=True)
class BandsCandidate:
    """What a metric's history makes of its bands: new ones, or None and why; the numbers are 0 unless ``enough``."""

    metric: str
    windows: int
    bands: Bands | None
    why: str = ""
    enough: bool = False
    median: float = 0.0
    mad: float = 0.0
    quantile: float = 0.0

    @property
    def seen(self) -> dict[str, int | float]:
        """What was measured, for the form: the numbers that the new bands come from."""
        quantile = f"distance from the best at the {robust.QUANTILE:g} quantile"
        return {"windows": self.windows, "median": self.median, "MAD": self.mad, quantile: self.quantile}


def candidate(metric: str, values: Iterable[float], bands: Bands, config: Thresholds) -> BandsCandidate:
    """New bands for one metric; values that such a metric cannot have are left out. Pure."""
    usable = [value for value in values if bands.judge(value) is not Level.UNKNOWN]
    count, least = len(usable), config.proposals.least_windows
    if count < least:
        return BandsCandidate(metric, count, None, f"{count} of {least} daily windows; {least - count} more needed")
    best = bands.ok.low if bands.rises else bands.ok.high
    if math.isinf(best):
        return BandsCandidate(metric, count, None, "its best value has no end to measure from", enough=True)
    distances = [abs(value - best) for value in usable]
    days = robust.ordinary(distances)
    seen = {"median": _short(statistics.median(usable)), "mad": _short(days.mad), "quantile": _short(days.quantile)}
    new, why = _moved(bands, best, days.upper, config, metric)
    return BandsCandidate(metric, count, new, why, enough=True, **seen)


def _moved(bands: Bands, best: float, wanted: float, config: Thresholds, metric: str) -> tuple[Bands | None, str]:
    """The bands with warning at a distance from the best value, or None and why they stay."""
    bounds, sign = config.bounds[metric], 1 if bands.rises else -1
    was, was_critical = (abs(edge - best) for edge in bands.edges)
    warning = _clamped(_two_digits(wanted), [abs(end - best) for end in bounds.warning])
    critical = was_critical * warning / was if was else was_critical
    critical = _clamped(_two_digits(critical), [abs(end - best) for end in bounds.critical])
    percent, least = abs(warning - was) / was * 100 if was else math.inf, config.proposals.least_change_percent
    if percent < least:
        return None, f"history would move it by {percent:.0f} %, less than {least:g} %"
    if warning >= critical:
        return None, "the bounds leave no room between warning and critical"
    new = bands.moved(round(best + sign * warning, 10), round(best + sign * critical, 10))
    return (None, "history agrees") if new == bands else (new, "")


def _two_digits(value: float) -> float:
    """Rounded away from the best value, so that what was ordinary stays ordinary."""
    return robust.rounded(value, 2, up=True)


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _clamped(value: float, ends: Sequence[float]) -> float:
    return min(max(value, min(ends)), max(ends))


def candidates(values: History, now: ThresholdsInForce, config: Thresholds) -> list[BandsCandidate]:
    """Of each metric, in the guide's order. Pure."""
    return [
        candidate(metric, values.get(metric, ()), bands, config) for metric, bands in now.thresholds.metrics.items()
    ]


def propose(values: History, now: ThresholdsInForce, config: Thresholds, roles: tuple[str, ...]) -> list[Proposal]:
    """An action for each metric whose history asks for other bands than those in force. Pure."""
    return [
        Proposal(_action(one.metric, one.bands, now, roles), one.seen)
        for one in candidates(values, now, config)
        if one.bands is not None
    ]


def _action(metric: str, bands: Bands, now: ThresholdsInForce, roles: tuple[str, ...]) -> Action:
    old, new = statement(metric, now.thresholds.metrics[metric]), statement(metric, bands)
    because = (
        f"warning is to begin beyond its ordinary daily windows, at their {robust.QUANTILE:g} quantile or three "
        "robust deviations from their median, whichever is further, inside the bounds"
    )
    return versioned.action(KIND, now.target, metric, new, old, now.versions[metric], roles, because)


def proposals_from_ledger(
    session: Session, target: str, settings: Settings, taken: Iterable[Action], now: datetime
) -> list[Proposal]:
    """What the plan of a window may propose; ``taken`` are actions that another plan in force still has to do."""
    config = settings.thresholds
    judged_by = in_force(session, config, target)
    values = history(session, target, config, now)
    proposed = propose(values, judged_by, config, settings.maintenance.approval.roles_of(KIND))
    return versioned.not_planned(proposed, KIND, taken)


# The weekly look -------------------------------------------------------------------------------------------------


def found(values: History, now: ThresholdsInForce, config: Thresholds) -> tuple[Finding, ...]:
    """Of each metric what is in force and what history proposes; of each row that does not verify that it is there."""
    return (*_rows(now), *(_finding(one, now) for one in candidates(values, now, config)))


def _finding(one: BandsCandidate, now: ThresholdsInForce) -> Finding:
    bands = now.thresholds.metrics[one.metric]
    said = f"in force (version {now.versions[one.metric]}): {_edges(bands)}"
    level, remedy = Level.OK, ""
    if one.bands is not None:
        numbers = f"{one.windows} windows, median {one.median:g}, MAD {one.mad:g}"
        said += f"; proposed: {_edges(bands)} → {_edges(one.bands)} ({numbers})"
        level, remedy = Level.ADVISORY, "It stands in this window's plan: approve it there, or reject it."
    elif not one.enough:
        said += f"; no proposal: {one.why}"
        level, remedy = Level.ADVISORY, "Daily windows by the calendar bring a value each; nothing has to be done."
    else:
        said += f"; no proposal: {one.why} ({one.windows} windows)"
    return Topic(f"thresholds:{one.metric}", f"Thresholds of {one.metric.replace('_', ' ')}", "G19").finding(
        level,
        said,
        "bands that an ordinary day stays inside of, from enough history",
        remedy,
        {"thresholds": now.version, **(one.seen if one.enough else {"windows": one.windows})},
    )


def _edges(bands: Bands) -> str:
    warning, critical = bands.edges
    return f"warning from {warning:g}, critical from {critical:g} {bands.unit}"


def _rows(now: ThresholdsInForce) -> Iterator[Finding]:
    for row in now.ignored:
        yield Topic(f"thresholds:row:{row.version}", "A thresholds row does not verify", "G19").finding(
            Level.CRITICAL,
            f"version {row.version} ({row.metric}) is ignored: {row.why}",
            "a row whose plan, decisions and receipt verify, inside the bounds",
            "If config's bounds were narrowed on purpose, approve new bands. Otherwise find out who wrote to "
            "upkeep.thresholds; nothing is judged by this row.",
            {"version": row.version, "metric": row.metric},
        )
