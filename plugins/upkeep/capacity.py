"""How fast the database grows, when it reaches 80 % of its room, and the guide's scaling triggers. Pure.

Growth is the Theil-Sen slope: the median of the slopes between all pairs of samples (Sen, "Estimates of the regression
coefficient based on Kendall's tau", JASA 63, 1968). A load of old rows or a VACUUM FULL is one outlier among the pairs
and moves the median little; gaps do no harm. Its interval comes from the same paper: order statistics of the slopes at
the ranks that Kendall's tau gives. It takes samples as independent. Sizes of following days are not quite, so the
interval says how far the past contradicts itself, and promises nothing about a change that nobody has seen yet.
"""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

#: The share of the room that must not be reached (G98).
FULL = 0.8
#: The two-sided 95 % quantile of the normal distribution, which Kendall's statistic has from about ten samples on.
_QUANTILE = 1.96
#: Samples that a forecast is made from at most, the newest: about 125,000 pairs.
MOST_POINTS = 500
#: A forecast from older samples than this would be about the past.
STALE = timedelta(days=7)

_DAY = timedelta(days=1)
Point = tuple[datetime, float]


@dataclass(frozen=True)
class NotEnough:
    """Why nothing is forecast."""

    reason: str


@dataclass(frozen=True)
class Forecast:
    """Growth in bytes a day with its 95 % interval, and days from now until 80 % of the room.

    ``days`` is the estimate, ``earliest`` and ``latest`` its interval; infinity is never, 0 is now or before. All three
    are None where the room is not known.
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


def forecast(
    points: Iterable[Point], capacity_bytes: float | None, now: datetime, *, least_days: float, least_points: int
) -> Forecast | NotEnough:
    """What the history of a size says, or why it says nothing yet. Points need no order and may have gaps."""
    history = sorted((at, size) for at, size in points if math.isfinite(size) and at <= now)[-MOST_POINTS:]
    if reason := _too_little(history, now, least_days, least_points):
        return NotEnough(reason)
    last_at, size = history[-1]
    per_day, low, high = growth(history)
    span_days = (last_at - history[0][0]) / _DAY
    found = Forecast(per_day, low, high, size, len(history), span_days)
    if capacity_bytes is None:
        return found
    left, age = FULL * capacity_bytes - size, (now - last_at) / _DAY
    days, earliest, latest = (_days(left, rate, age) for rate in (per_day, high, low))
    return Forecast(per_day, low, high, size, len(history), span_days, days, earliest, latest)


def _too_little(history: Sequence[Point], now: datetime, least_days: float, least_points: int) -> str:
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
    slopes = sorted(
        (later - earlier) / ((at - before) / _DAY)
        for (before, earlier), (at, later) in itertools.combinations(history, 2)
        if at > before
    )
    n, pairs = len(history), len(slopes)
    reach = _QUANTILE * math.sqrt(n * (n - 1) * (2 * n + 5) / 18)
    lower = max(0, math.floor((pairs - reach) / 2))
    upper = min(pairs - 1, math.ceil((pairs + reach) / 2))
    return statistics.median(slopes), slopes[lower], slopes[upper]


def _days(left: float, per_day: float, age: float) -> float:
    """Days from now until ``left`` more bytes are taken; ``age`` is how old the last size is, in days."""
    if left <= 0:
        return 0.0
    return math.inf if per_day <= 0 else max(0.0, left / per_day - age)
