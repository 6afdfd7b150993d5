"""How fast the database grows, and when it reaches a limit. Pure.

Growth is the Theil-Sen slope (``statistics``). A load of old rows or a VACUUM FULL is one outlier among the pairs and
moves the median little; gaps do no harm. Its interval says how far the past contradicts itself. Of the days ahead it
would hold too little, for it knows neither noise nor a change of pace: when a limit is reached comes from ``project``.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from upkeep.core.forecast import Point, Projection, project
from upkeep.core.statistics import theil_sen

#: The two-sided 95 % quantile of the normal distribution, which Kendall's statistic has from about ten samples on.
_QUANTILE = 1.96
#: Samples that a forecast is made from at most, the newest: about 125,000 pairs.
MOST_POINTS = 500
#: Greater numbers are no measurement: their squares are none, and functions tell some of the metrics.
MOST = 1e100
#: A forecast from older samples than this would be about the past.
STALE = timedelta(days=7)

#: The ends of the interval that is told: 95 % lie within.
ENDS = (0.025, 0.975)

#: Moments of the path that a report draws.
STEPS = 12

_DAY = timedelta(days=1)
#: Days from now, and the low end, the middle and the high end then.
Ahead = tuple[float, float, float, float]


@dataclass(frozen=True)
class NoForecast:
    """Why nothing is forecast."""

    reason: str


@dataclass(frozen=True)
class Forecast:
    """Growth in bytes a day with its 95 % interval, and days from now until the limit.

    ``days`` is the estimate, ``earliest`` and ``latest`` its interval: when the quantiles of the days ahead reach it;
    infinity is never, 0 is now or before. All three are None where there is no limit. ``path`` is what is expected
    over half as long as the history.
    """

    per_day: float
    low: float
    high: float
    size: float
    points: int
    span_days: float
    days: float | None = None
    earliest: float | None = None
    latest: float | None = None
    path: tuple[Ahead, ...] = ()


def forecast(
    points: Iterable[Point], limit_bytes: float | None, now: datetime, *, least_days: float, least_points: int
) -> Forecast | NoForecast:
    """What the history of a size says, or why it says nothing yet. Points need no order and may have gaps."""
    history = known(points, now)
    if reason := too_little(history, now, least_days, least_points):
        return NoForecast(reason)
    last_at, size = history[-1]
    per_day, low, high = growth(history)
    ahead, span = project(history), last_at - history[0][0]
    found = Forecast(per_day, low, high, size, len(history), span / _DAY, path=_path(ahead, now, span / 2))
    if limit_bytes is None:
        return found
    days, earliest, latest = reached(ahead, size, limit_bytes, now)
    return replace(found, days=days, earliest=earliest, latest=latest)


def _path(ahead: Projection, now: datetime, length: timedelta) -> tuple[Ahead, ...]:
    """The interval and the middle at ``STEPS`` moments from now on."""
    low, high = ENDS
    moments = [now + length * step / STEPS for step in range(1, STEPS + 1)]
    return tuple(((at - now) / _DAY, ahead.at(at, low), ahead.at(at, 0.5), ahead.at(at, high)) for at in moments)


def known(points: Iterable[Point], now: datetime) -> list[Point]:
    """The newest samples that can be placed, in order."""
    return sorted((at, value) for at, value in points if abs(value) <= MOST and at <= now)[-MOST_POINTS:]


def reached(ahead: Projection, value: float, limit: float, now: datetime) -> tuple[float, float, float]:
    """Days from now until a limit is reached: middle, earliest, latest; ``value`` is the newest sample."""
    if value >= limit:
        return 0.0, 0.0, 0.0
    age = (now - ahead.since) / _DAY
    days, earliest, latest = (max(0.0, ahead.crosses(limit, end) - age) for end in (0.5, *reversed(ENDS)))
    return days, earliest, latest


def too_little(history: Sequence[Point], now: datetime, least_days: float, least_points: int) -> str:
    """Why nothing is forecast from so little, empty when it is enough."""
    if len(history) < least_points:
        return f"{len(history)} samples, at least {least_points} are needed (config: capacity.least_points)"
    span = (history[-1][0] - history[0][0]) / _DAY
    if span < least_days:
        return f"{span:.1f} days of history, at least {least_days:g} are needed (config: capacity.least_days)"
    if now - history[-1][0] > STALE:
        return f"the newest sample is {(now - history[-1][0]) / _DAY:.0f} days old, expected at most {STALE.days}"
    return ""


def growth(history: Sequence[Point]) -> tuple[float, float, float]:
    """The Theil-Sen slope in bytes a day and the ends of its interval. Points in order, at least two moments."""
    pairs = itertools.combinations(history, 2)
    slopes = ((later - earlier) / ((at - before) / _DAY) for (before, earlier), (at, later) in pairs if at > before)
    return theil_sen(slopes, len(history), _QUANTILE)
