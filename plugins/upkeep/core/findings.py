"""Findings and the judging of metrics: pure, no I/O, no clock.

A check looks and yields findings of one shape. A metric is judged against the bands of
``config/thresholds.yaml``, the one place that holds the guide's boundaries (G32-G37, G106-G113, X12).
"""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

T = TypeVar("T")


class Level(StrEnum):
    """How bad a finding is. ``UNKNOWN`` means "could not be judged" and is never ok."""

    OK = "ok"
    ADVISORY = "advisory"
    WARNING = "warning"
    CRITICAL = "critical"
    UNKNOWN = "unknown"

    @property
    def rank(self) -> int:
        """Position when sorted worst first: critical, unknown, warning, advisory, ok."""
        return _WORST_FIRST.index(self)


_WORST_FIRST = [Level.CRITICAL, Level.UNKNOWN, Level.WARNING, Level.ADVISORY, Level.OK]


def worst(levels: list[Level]) -> Level:
    """The worst of some levels; no levels at all is UNKNOWN, for nothing was looked at."""
    return min(levels, key=lambda level: level.rank, default=Level.UNKNOWN)


def tally(levels: Sequence[Level]) -> str:
    """How many there are of each, worst first: ``1 warning, 12 ok``; empty without any."""
    return ", ".join(f"{levels.count(level):,} {level}" for level in _WORST_FIRST if level in levels)


@dataclass(frozen=True)
class Finding:
    """What a check saw, in the one shape that ledger, report and alerts share.

    ``key`` is stable from window to window (it names the thing, not the moment), so that a finding
    can be followed, acknowledged and said to be new. ``detail`` is what was seen, ``expected`` what
    the guide expects, ``remedy`` what to do; all three are plain text and may hold hostile characters
    from log tables, so whoever shows them must escape them.
    """

    key: str
    level: Level
    subject: str
    detail: str
    expected: str = ""
    remedy: str = ""
    guide: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Sighting:
    """When a finding that is not ok was seen: ``since`` by each look of an unbroken row, ``first`` ever.

    ``after`` is the last look without it (None: none before ``since`` is known): what was found began between the two.
    """

    since: datetime
    after: datetime | None = None
    first: datetime | None = None

    @property
    def before(self) -> datetime | None:
        """When it was seen first, where it has been away since; None where it has not."""
        return self.first if self.first is not None and self.first < self.since else None


@dataclass(frozen=True)
class Topic:
    """What findings are about: a key, a subject and the guide's item; what is said of it makes a finding."""

    key: str
    subject: str
    guide: str

    def part(self, name: str, subject: str = "") -> Topic:
        """Something of it with a key of its own, and a subject of its own where one is given."""
        return Topic(f"{self.key}:{name}", subject or self.subject, self.guide)

    def finding(
        self,
        level: Level,
        detail: str,
        expected: str = "",
        remedy: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Finding:
        """What was seen, what was expected and what to do, as a finding."""
        return Finding(self.key, level, self.subject, detail, expected, remedy, self.guide, metadata or {})

    def judged(
        self,
        level: Level,
        detail: str,
        expected: str = "",
        remedy: str = "",
        metadata: Mapping[str, Any] | None = None,
    ) -> Finding:
        """The same, with the remedy left out of what is ok."""
        return self.finding(level, detail, expected, "" if level is Level.OK else remedy, metadata)


@dataclass(frozen=True)
class Sample:
    """One measured number of one window: ``metric`` of ``subject`` in ``unit``."""

    metric: str
    value: float
    unit: str
    subject: str = ""


_INTERVAL = re.compile(r"\s*([\[(])\s*(-?\d+(?:\.\d+)?)\s*,\s*(-?\d+(?:\.\d+)?|inf)\s*([])])\s*")


@dataclass(frozen=True)
class Interval:
    """A mathematical interval such as ``[90, 95]`` or ``(1000, inf)``; a bracket includes its end."""

    low: float
    high: float
    low_closed: bool
    high_closed: bool

    @classmethod
    def parse(cls, text: object) -> Interval:
        """Read ``(95, 100]``. Raises ValueError with what was found and what was expected."""
        match = _INTERVAL.fullmatch(text) if isinstance(text, str) else None
        if not match:
            raise ValueError(f"found {text!r}, expected an interval such as '[90, 95]' or '(1000, inf)'")
        left, low, high, right = match.groups()
        interval = cls(float(low), float(high), left == "[", right == "]")
        empty = interval.low >= interval.high and interval.low not in interval
        if empty or (math.isinf(interval.high) and interval.high_closed):
            raise ValueError(f"found {text!r}, expected low end <= high end, some value between, and 'inf)' open")
        return interval

    def __contains__(self, value: float) -> bool:
        above = value >= self.low if self.low_closed else value > self.low
        below = value <= self.high if self.high_closed else value < self.high
        return above and below

    def __str__(self) -> str:
        return f"{'[' if self.low_closed else '('}{self.low:g}, {self.high:g}{']' if self.high_closed else ')'}"


@dataclass(frozen=True)
class Expectation:
    """What the guide expects of a number for which it gives no warning and critical of its own."""

    expected: Interval
    possible: Interval
    unit: str
    guide: str

    def __post_init__(self) -> None:
        inside, outside = self.expected, self.possible
        if inside.low < outside.low or inside.high > outside.high:
            raise ValueError(f"found expected {inside} beyond possible {outside}")

    @property
    def limit(self) -> float:
        """The end of the good range that is not also an end of what is possible."""
        return self.expected.high if self.expected.low == self.possible.low else self.expected.low

    @property
    def words(self) -> str:
        """The good range in words, with its unit: "below 100 ms", "above 90 %"."""
        if self.expected.low == self.possible.low:
            return f"{'at most' if self.expected.high_closed else 'below'} {self.expected.high:g} {self.unit}"
        return f"{'at least' if self.expected.low_closed else 'above'} {self.expected.low:g} {self.unit}"

    def judge(self, value: float) -> Level:
        """Inside is ok, outside a warning; what such a number cannot be (NaN, -3 ms) is UNKNOWN."""
        if value not in self.possible:
            return Level.UNKNOWN
        return Level.OK if value in self.expected else Level.WARNING


@dataclass(frozen=True)
class Bands:
    """The three bands of one metric. They must tile one range: no gap, no overlap (X12)."""

    ok: Interval
    warning: Interval
    critical: Interval
    unit: str
    guide: str

    def __post_init__(self) -> None:
        ordered = sorted((self.ok, self.warning, self.critical), key=lambda i: (i.low, not i.low_closed))
        for lower, upper in itertools.pairwise(ordered):
            if lower.high > upper.low or (lower.high == upper.low and lower.high_closed and upper.low_closed):
                raise ValueError(f"found bands that overlap: {lower} and {upper} share values, expected no overlap")
            if lower.high < upper.low or not (lower.high_closed or upper.low_closed):
                raise ValueError(f"found bands with a gap: {lower} and {upper} do not touch, expected no gap")
        if self.warning is not ordered[1]:
            raise ValueError(f"found the warning band {self.warning} at an end, expected it between ok and critical")

    @property
    def rises(self) -> bool:
        """Whether a higher value is a worse one."""
        return (self.ok.low, self.ok.high) < (self.critical.low, self.critical.high)

    @property
    def edges(self) -> tuple[float, float]:
        """Where warning begins as values get worse, and where critical does."""
        return (self.warning.low, self.warning.high) if self.rises else (self.warning.high, self.warning.low)

    def moved(self, warning: float, critical: float) -> Bands:
        """The same bands with their edges elsewhere; what an edge belongs to stays. ValueError as for new ones."""
        if self.rises:
            return replace(
                self,
                ok=replace(self.ok, high=warning),
                warning=replace(self.warning, low=warning, high=critical),
                critical=replace(self.critical, low=critical),
            )
        return replace(
            self,
            ok=replace(self.ok, low=warning),
            warning=replace(self.warning, low=critical, high=warning),
            critical=replace(self.critical, high=critical),
        )

    def says(self, level: Level) -> str:
        """A band in words, with its unit: "below 60 %", "90 to 95 %", "above 1000 ms"."""
        band = {Level.OK: self.ok, Level.WARNING: self.warning, Level.CRITICAL: self.critical}[level]
        lowest = min(self.ok.low, self.critical.low)
        if level is Level.WARNING:
            words = f"{band.low:g} to {band.high:g}"
        elif band.low == lowest:
            words = f"{'at most' if band.high_closed else 'below'} {band.high:g}"
        else:
            words = f"{'at least' if band.low_closed else 'above'} {band.low:g}"
        return f"{words} {self.unit}"

    def judge(self, value: float) -> Level:
        """The level of a value; a value outside every band (negative, NaN, 300 %) is UNKNOWN."""
        for level, band in (
            (Level.OK, self.ok),
            (Level.WARNING, self.warning),
            (Level.CRITICAL, self.critical),
        ):
            if value in band:
                return level
        return Level.UNKNOWN


class NotCollected(Exception):  # no error: a step that has a reason not to look
    """Why a step does not look; the reason goes into the report."""

    state = "not collected"


#: Findings that a look of many things makes; one more counts the rest.
SHOWN = 50


def each(rows: Sequence[T], finding: Callable[[T], Finding], good: Finding) -> tuple[Finding, ...]:
    """A finding for each of the first ``SHOWN`` rows, and one that counts the rest; ``good`` when there is no row."""
    if not rows:
        return (good,)
    found = [finding(row) for row in rows[:SHOWN]]
    if (more := len(rows) - SHOWN) > 0:
        detail = f"{more:,} more; the largest are shown"
        found.append(Finding(f"{good.key}:more", Level.ADVISORY, good.subject, detail, "", "", good.guide))
    return tuple(found)
