"""How good forecasts of a size are: pinball loss of thirty held-out days beside two simple methods, and coverage."""

from __future__ import annotations

import itertools
import math
import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta

from bench.histories import DAY, HORIZON, JUDGED, SHAPES, TUNING, History, histories
from bench.measure import Result, size
from upkeep.core import forecast

#: The quantiles that the loss is the mean of, and the ends of the 80 % and the 95 % interval.
QUANTILES = (0.1, 0.5, 0.9)
INTERVALS = {80: (0.1, 0.9), 95: (0.025, 0.975)}
_ASKED = sorted({*QUANTILES, *(end for ends in INTERVALS.values() for end in ends)})
#: In the environment: ``tuning`` measures the histories that a method may be tuned on.
WHICH = "BENCH_FORECAST"

#: Days ahead, probability → the size.
Told = Callable[[int, float], float]
Losses = dict[str, list[float]]


def run() -> Result:
    """Forecast each history from what was known, hold it against what came."""
    seeds = TUNING if os.environ.get(WHICH) == "tuning" else JUDGED
    made = histories(size(seeds, seeds[:2]))
    losses: dict[str, Losses] = {name: {shape: [] for shape in SHAPES} for name in METHODS}
    inside: dict[str, dict[int, list[bool]]] = {name: {share: [] for share in INTERVALS} for name in METHODS}
    for one in made:
        for name, method in METHODS.items():
            told = method(one)
            for ahead, came in enumerate(one.came, 1):
                said = {probability: told(ahead, probability) for probability in _ASKED}
                losses[name][one.shape].append(statistics.fmean(_pinball(said, came)) / one.scale)
                for share, (low, high) in INTERVALS.items():
                    inside[name][share].append(said[low] <= came <= said[high])
    mean = {name: _mean([loss for shape in of.values() for loss in shape]) for name, of in losses.items()}
    simple = {name: mean[name] for name in METHODS if name != OURS}
    return Result(
        f"mean pinball loss of {HORIZON} held-out days, {len(made)} histories, % of the size",
        f"{mean[OURS]:.3f}",
        "below " + " and ".join(f"{loss:.3f} ({name})" for name, loss in simple.items()),
        mean[OURS] < min(simple.values()),
        (*_by_shape(losses), *_covered(inside)),
    )


def _pinball(said: Mapping[float, float], came: float) -> list[float]:
    """The loss of each quantile (Koenker & Bassett, Econometrica 46, 1978)."""
    return [max(p * (came - said[p]), (p - 1) * (came - said[p])) for p in QUANTILES]


def _mean(losses: Sequence[float]) -> float:
    return 100 * statistics.fmean(losses)


def _by_shape(losses: Mapping[str, Losses]) -> list[str]:
    return [
        f"{shape}: " + ", ".join(f"{name} {_mean(of[shape]):.3f}" for name, of in losses.items()) for shape in SHAPES
    ]


def _covered(inside: Mapping[str, Mapping[int, Sequence[bool]]]) -> list[str]:
    return [
        f"{share} % interval holds: "
        + ", ".join(f"{name} {100 * statistics.fmean(of[share]):.1f} %" for name, of in inside.items())
        for share in INTERVALS
    ]


# The methods ----------------------------------------------------------------------------------------------------


def _ours(history: History) -> Told:
    found = forecast.project(history.known)
    return lambda ahead, probability: found.at(found.since + ahead * DAY, probability)


def _last_value(history: History) -> Told:
    """The last value, with the interval of a random walk: the daily changes' deviation times the root of the days."""
    known = history.known
    moved = [
        (later - earlier) / math.sqrt((at - before) / timedelta(days=1))
        for (before, earlier), (at, later) in itertools.pairwise(known)
    ]
    deviation = math.sqrt(statistics.fmean(one * one for one in moved))
    last = known[-1][1]
    return lambda ahead, probability: last + _NORMAL.inv_cdf(probability) * deviation * math.sqrt(ahead)


def _straight_line(history: History) -> Told:
    """Least squares with its normal prediction interval."""
    days = [(at - history.known[-1][0]) / DAY for at, _ in history.known]
    sizes = [size for _, size in history.known]
    slope, height = statistics.linear_regression(days, sizes)
    middle, n = statistics.fmean(days), len(days)
    spread = sum((day - middle) ** 2 for day in days)
    squares = sum((size - height - slope * day) ** 2 for day, size in zip(days, sizes, strict=True))
    deviation = math.sqrt(squares / (n - 2))

    def told(ahead: int, probability: float) -> float:
        off = deviation * math.sqrt(1 + 1 / n + (ahead - middle) ** 2 / spread)
        return height + slope * ahead + _NORMAL.inv_cdf(probability) * off

    return told


_NORMAL = statistics.NormalDist()
OURS = "Upkeep"
METHODS: dict[str, Callable[[History], Told]] = {
    OURS: _ours,
    "last value": _last_value,
    "straight line": _straight_line,
}
