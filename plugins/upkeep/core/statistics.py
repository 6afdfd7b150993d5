"""What is ordinary in a history, whether its weekdays differ, and how steep it is. Pure.

Of thresholds and baselines: values are distances from the best there can be, so that more is worse. An ordinary day
reaches no further than the further of

- the 0.95 quantile (type 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", The American Statistician
  50, 1996), which a skewed metric needs; and
- the median plus 3 × 1.4826 × MAD, the median absolute deviation: the Hampel identifier (Davies and Gather, "The
  Identification of Multiple Outliers", JASA 88, 1993, after Hampel 1974). 1.4826 makes MAD the standard deviation of
  normal values. Half of the windows may have been bad before median and MAD follow them, so an outage does not teach
  anybody to expect outages; the quantile is what up to one bad window in twenty leaves alone.
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_HALF_EVEN, Decimal

#: Makes the MAD of normal values their standard deviation: 1 / Φ⁻¹(3/4).
CONSISTENT = 1.4826
#: Robust standard deviations from the median: the Hampel identifier's usual three.
DEVIATIONS = 3
QUANTILE = 0.95
#: Of seven groups without any difference one in a hundred has a greater H: χ² with 6 degrees of freedom.
_BY_CHANCE = 16.81


@dataclass(frozen=True)
class DistanceSummary:
    """Median, median absolute deviation and 0.95 quantile of some distances."""

    median: float
    mad: float
    quantile: float

    @property
    def upper(self) -> float:
        """As far as an ordinary day reaches."""
        return max(self.quantile, self.median + DEVIATIONS * CONSISTENT * self.mad)


def ordinary(distances: Sequence[float]) -> DistanceSummary:
    """What is ordinary among at least two distances."""
    median = statistics.median(distances)
    mad = statistics.median(abs(distance - median) for distance in distances)
    return DistanceSummary(median, mad, statistics.quantiles(distances, n=20, method="inclusive")[18])


def theil_sen(slopes: Iterable[float], points: int, deviations: float) -> tuple[float, float, float]:
    """The median of the slopes between all pairs of some points, and its ends so many deviations away.

    The ends are order statistics at the ranks that Kendall's tau gives (Sen, "Estimates of the regression coefficient
    based on Kendall's tau", JASA 63, 1968).
    """
    ordered = sorted(slopes)
    pairs = len(ordered)
    reach = deviations * math.sqrt(points * (points - 1) * (2 * points + 5) / 18)
    lower = max(0, math.floor((pairs - reach) / 2))
    upper = min(pairs - 1, math.ceil((pairs + reach) / 2))
    return statistics.median(ordered), ordered[lower], ordered[upper]


def rounded(value: float, digits: int, *, up: bool) -> float:
    """A value of at least 0 with so many significant digits; ``up``: never less than it was."""
    exact = Decimal(f"{value:.12g}")
    place = Decimal(1).scaleb(exact.adjusted() - digits + 1)
    return float(exact.quantize(place, ROUND_CEILING if up else ROUND_HALF_EVEN)) if value else 0.0


def weekdays_differ(days: Sequence[Sequence[float]]) -> bool:
    """Whether seven days of the week differ by more than chance: Kruskal and Wallis's H at 1 % (JASA 47, 1952).

    By ranks, so that a few wild values count no more than others; ties share their mean rank.
    """
    every = sorted(value for day in days for value in day)
    count, times = len(every), Counter(every)
    rank: dict[float, float] = {}
    for place, value in enumerate(every, 1):
        rank.setdefault(value, place + (times[value] - 1) / 2)
    ties = 1 - sum(n**3 - n for n in times.values()) / (count**3 - count)
    if ties == 0:  # all are the same
        return False
    squares = sum(sum(rank[value] for value in day) ** 2 / len(day) for day in days)
    return (12 / (count * (count + 1)) * squares - 3 * (count + 1)) / ties > _BY_CHANCE
