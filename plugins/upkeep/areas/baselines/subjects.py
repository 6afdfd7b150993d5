"""What has a baseline: each function's response time, the six metrics, the four expected database metrics."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from upkeep.core.findings import Bands, Expectation, Level
from upkeep.core.units import title
from upkeep.settings.thresholds import Thresholds

#: The daily window's samples: a function's warm median, and what SQL says of an expected metric.
LATENCY, EXPECTED, BY_SQL = "latency", "expectation:", "sql"
RESPONSE_TIME = "response_time"
#: Below this share of the guide's good range a change is counted as if from there: 5 ms to 8 ms is no regression.
_LEAST_SHARE = 0.2


@dataclass(frozen=True)
class Subject:
    """Something with a baseline. ``name`` is how statements call it, ``sample`` the (metric, subject) of its samples.

    ``best`` is the best value there can be, ``worst`` the other end, ``good`` where the guide's good range ends,
    ``most`` the worst ordinary value that config allows (of a function: the highest limit), ``setting`` where it says
    so; ``function`` is whose response time it is, empty for a metric.
    """

    name: str
    sample: tuple[str, str]
    title: str
    unit: str
    guide: str
    judge: Callable[[float], Level]
    best: float
    worst: float
    good: float
    most: float
    setting: str
    function: str = ""

    @property
    def rises(self) -> bool:
        """Whether a higher value is a worse one."""
        return self.best < self.worst

    @property
    def end(self) -> str:
        """What the far end of what is ordinary is called."""
        return "upper" if self.rises else "lower"

    def distance(self, value: float) -> float:
        """How far a value is from the best one; more is worse."""
        return value - self.best if self.rises else self.best - value

    def value(self, distance: float) -> float:
        """The value at a distance from the best one, no further than such a value can be."""
        if self.rises:
            return round(min(self.best + distance, self.worst), 4)
        return round(max(self.best - distance, self.worst), 4)

    def change(self, old: float, new: float) -> float:
        """By how many percent a value moved as seen from the best one; above 0 is worse."""
        least = _LEAST_SHARE * abs(self.good - self.best)
        return 100 * (self.distance(new) - self.distance(old)) / (max(self.distance(old), least) or 1.0)


def subjects(config: Thresholds) -> dict[str, Subject]:
    """All that config knows, by name."""
    every = [
        *(_latency(name, one, config) for name, one in config.latencies.items()),
        *(_metric(name, bands, config) for name, bands in config.metrics.items()),
        *(_expected(name, one) for name, one in config.expectations.items()),
    ]
    return {subject.name: subject for subject in every if math.isfinite(subject.best)}


def latency_name(function: str) -> str:
    """What the baseline of a function's response time is called."""
    return f"{function} latency"


def samples(known: Mapping[str, Subject]) -> list[str]:
    """The metrics of the samples that some subjects are made from."""
    return sorted({subject.sample[0] for subject in known.values()})


def _latency(function: str, expectation: Expectation, config: Thresholds) -> Subject:
    return Subject(
        name=latency_name(function),
        sample=(LATENCY, function),
        title=f"Response time of {function}",
        unit=expectation.unit,
        guide=expectation.guide,
        judge=expectation.judge,
        best=expectation.possible.low,
        worst=expectation.possible.high,
        good=expectation.limit,
        most=config.baselines.limits[function][1],
        setting=f"baselines.limits.{function}",
        function=function,
    )


def _metric(name: str, bands: Bands, config: Thresholds) -> Subject:
    lowest, highest = min(bands.ok.low, bands.critical.low), max(bands.ok.high, bands.critical.high)
    best, worst = (lowest, highest) if bands.rises else (highest, lowest)
    return Subject(
        name=name,
        sample=(name, ""),
        title=title(name),
        unit=bands.unit,
        guide=bands.guide,
        judge=bands.judge,
        best=best,
        worst=worst,
        good=bands.edges[0],
        most=config.bounds[name].warning[1 if bands.rises else 0],
        setting=f"bounds.{name}.warning",
    )


def _expected(name: str, expectation: Expectation) -> Subject:
    low, high = expectation.possible.low, expectation.possible.high
    best, worst = (low, high) if expectation.expected.low == low else (high, low)
    return Subject(
        name=name,
        sample=(EXPECTED + name, BY_SQL),
        title=title(name),
        unit=expectation.unit,
        guide=expectation.guide,
        judge=expectation.judge,
        best=best,
        worst=worst,
        good=expectation.limit,
        most=expectation.limit,
        setting=f"expectations.{name}",
    )
