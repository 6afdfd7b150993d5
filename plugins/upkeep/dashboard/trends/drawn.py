"""A trend as the geometry of an SVG; the template only writes it down. Pure.

The horizontal axis is time, UTC. Each place of it has the lowest and the highest value that the ledger has there; one
beyond the scale lies on the edge and says how far it went. Where a value should have come and did not, there is a gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from upkeep.core.findings import Level
from upkeep.core.units import amount
from upkeep.dashboard.trends.choice import PLACES, Choice
from upkeep.dashboard.trends.judged import Judged, Standards
from upkeep.dashboard.trends.scale import Tick, time_ticks, value_ticks
from upkeep.dashboard.trends.series import Done, Place, Values
from upkeep.report import plots

#: Units of the viewBox for a place of the plot, and for a unit of a report's plot, whose heights are used here.
_WIDE, _TALL = 2, 4
WIDTH, TOP, BOTTOM = _WIDE * PLACES, _TALL * plots.TOP, _TALL * plots.BOTTOM
HEIGHT = BOTTOM + 34  # below the plot stands the time
#: Up to so many places each value of a window is a dot; beyond it, and of the watch, those alone that no line joins.
_DOTS = 120
#: With fewer values the scale holds all of them; of more, those far beyond all but this share lie on its edge.
_ENOUGH, _SHARE, _FAR = 20, 0.02, 3.0
#: A boundary that lies further from the values than so many times their range is told in words and not drawn.
_NEAR = 3.0
#: Units that a number needs for itself.
_LABEL = 30
#: How long after its last value the watch is still waited for, rather than windows alone.
_WATCHED = timedelta(days=1)


@dataclass(frozen=True)
class Dot:
    """A value's place; ``off`` says that it lies beyond the scale: above, below or nowhere ("")."""

    x: float
    y: float
    level: Level | None
    off: str
    words: str


@dataclass(frozen=True)
class Area:
    """A rectangle of the plot: a band of values by level, what is ordinary, or a gap."""

    x: float
    y: float
    width: float
    height: float
    level: Level | None = None


@dataclass(frozen=True)
class Mark:
    """Something that was done at this time."""

    x: float
    words: str
    action: bool


@dataclass(frozen=True)
class Edge:
    """A boundary in force: a line, with its number where it ends."""

    x1: float
    x2: float
    y: float
    says: str


@dataclass(frozen=True)
class Drawn:
    """All that is drawn of a trend. ``beyond`` counts the places that hold a value beyond the scale.

    ``before`` are the lines of the stretch before, where it is shown.
    """

    lines: tuple[str, ...]
    before: tuple[str, ...]
    watch: tuple[str, ...]
    dots: tuple[Dot, ...]
    bands: tuple[Area, ...]
    ordinary: tuple[Area, ...]
    usual: tuple[Edge, ...]
    edges: tuple[Edge, ...]
    gaps: tuple[Area, ...]
    marks: tuple[Mark, ...]
    times: tuple[Tick, ...]
    heights: tuple[Tick, ...]
    longest_gap: timedelta
    beyond: int


def drawn(
    choice: Choice, values: Values, limits: Standards, done: Sequence[Done], before: Values | None = None
) -> Drawn:
    """Work out the plot, also of one value or of none; ``before`` is the stretch before, moved to this one's time."""
    past = before or replace(values, windows=(), watch=())
    both = Values(values.unit, (*values.windows, *past.windows), (*values.watch, *past.watch))
    frame = _Frame(choice, axis_of(both, limits))
    gaps = list(_gaps(choice, values))
    dots = tuple(_dots(frame, values, limits))
    return Drawn(
        lines=tuple(_lines(frame, values.windows)),
        before=(*_lines(frame, past.watch), *_lines(frame, past.windows)),
        watch=tuple(_lines(frame, values.watch)),
        dots=dots,
        bands=tuple(_bands(frame, limits.judged)),
        ordinary=tuple(frame.area(one.start, one.end, one.value, one.upper) for one in limits.ordinary),
        usual=tuple(frame.edge(one.start, one.end, one.value, values.unit) for one in limits.ordinary),
        edges=tuple(_edges(frame, limits.judged, values.unit)),
        gaps=tuple(Area(frame.x(start), TOP, frame.x(end) - frame.x(start), BOTTOM - TOP) for start, end in gaps),
        marks=tuple(_marks(frame, done)),
        times=time_ticks(choice.start, choice.until, frame.x),
        heights=value_ticks(frame.axis, values.unit, frame.y),
        longest_gap=max((end - start for start, end in gaps), default=timedelta()),
        beyond=sum(bool(one.off) for one in dots),
    )


def axis_of(values: Values, limits: Standards) -> tuple[float, float]:
    """The lowest and the highest value that is drawn."""
    lows = sorted(one.low for one in values.all if one.low is not None)
    highs = sorted(one.high for one in values.all if one.high is not None)
    if not lows:
        return 0.0, 1.0
    low, high = _usual_range(lows, highs)
    room = (high - low) or 0.25 * abs(high) or 1.0
    shown = [edge for one in limits.judged for edge in one.edges if low - _NEAR * room <= edge <= high + _NEAR * room]
    shown += [end for one in limits.ordinary for end in (one.value, one.upper)]
    bottom, top = min((low, *shown)), max((high, *shown))
    room = max(0.12 * ((top - bottom) or room), 1e-9)
    floor = min(lows[0], 0.0) if low >= 0 else -math.inf
    return max(bottom - room, floor), top + room


def _usual_range(lows: Sequence[float], highs: Sequence[float]) -> tuple[float, float]:
    """From the lowest to the highest value, but for a few that are far from all the others."""
    low, high = lows[0], highs[-1]
    if len(highs) < _ENOUGH:
        return low, high
    few = max(1, int(_SHARE * len(highs)))
    least, most = lows[few], highs[-1 - few]
    room = _FAR * ((most - least) or 0.25 * abs(most) or 1.0)
    return (least if low < least - room else low), (most if high > most + room else high)


@dataclass(frozen=True)
class _Frame:
    """From times and values to the viewBox."""

    choice: Choice
    axis: tuple[float, float]

    def x(self, at: datetime) -> float:
        return round(WIDTH * ((at - self.choice.start) / self.choice.length), 1)

    def y(self, value: float) -> float:
        return round(_TALL * plots.height(value, self.axis), 1)

    def area(self, start: datetime, end: datetime, low: float, high: float, level: Level | None = None) -> Area:
        top, bottom = sorted((self.y(low), self.y(high)))
        return Area(self.x(start), top, round(self.x(end) - self.x(start), 1), round(bottom - top, 1), level)

    def edge(self, start: datetime, end: datetime, value: float, unit: str) -> Edge:
        return Edge(self.x(start), self.x(end), self.y(value), amount(value, unit).strip())

    def place(self, one: Place) -> float:
        """Where a place's values stand: one at its time, several in the middle of the place."""
        return self.x(one.first if one.samples == 1 else one.middle)

    def holds(self, value: float) -> bool:
        return self.axis[0] <= value <= self.axis[1]


def joined(before: Place, after: Place) -> bool:
    """Whether the next value came when it was to."""
    return after.first - before.last <= before.following


def _lines(frame: _Frame, places: Sequence[Place]) -> Iterator[str]:
    """The corners of each unbroken row of at least two places."""
    row: list[Place] = []
    for one in (*(one for one in places if one.low is not None), None):
        if row and (one is None or not joined(row[-1], one)):
            if len(row) > 1 or row[0].low != row[0].high:
                yield " ".join(f"{frame.place(each):g},{y:g}" for each in row for y in _heights(frame, each))
            row = []
        row += [one] if one else []


def _heights(frame: _Frame, one: Place) -> tuple[float, ...]:
    low, high = frame.y(one.low or 0), frame.y(one.high or 0)
    return (low,) if low == high else (low, high)


def _dots(frame: _Frame, values: Values, limits: Standards) -> Iterator[Dot]:
    """Each value of a window where there are few, those that no line joins, and those beyond the scale."""
    for places, few in ((values.windows, len(values.windows) <= _DOTS), (values.watch, False)):
        sound = [one for one in places if one.low is not None]
        for before, one, after in zip([None, *sound], sound, [*sound[1:], None], strict=False):
            alone = not (before and joined(before, one)) and not (after and joined(one, after))
            for value in dict.fromkeys((one.low or 0.0, one.high or 0.0)):
                if few or alone or not frame.holds(value):
                    yield _dot(frame, values, limits, one, value)


def _dot(frame: _Frame, values: Values, limits: Standards, one: Place, value: float) -> Dot:
    off = "" if frame.holds(value) else "above" if value > frame.axis[1] else "below"
    words = f"{one.last:%Y-%m-%d %H:%M} UTC: {amount(value, values.unit).strip()}"
    return Dot(frame.place(one), frame.y(value), limits.level(value, one.first), off, words)


def _bands(frame: _Frame, judged: Sequence[Judged]) -> Iterator[Area]:
    for one in judged:
        for level, band in one.bands:
            area = frame.area(one.start, one.end, band.low, band.high, level)
            if area.height > 0:
                yield area


def _edges(frame: _Frame, judged: Sequence[Judged], unit: str) -> Iterator[Edge]:
    """The boundaries; of two that lie close one has its number."""
    for one in judged:
        edges = [frame.edge(one.start, one.end, edge, unit) for edge in one.edges if frame.holds(edge)]
        for place, edge in enumerate(edges):
            close = place and abs(edge.y - edges[place - 1].y) < _LABEL
            yield replace(edge, says="") if close else edge


def _gaps(choice: Choice, values: Values) -> Iterator[tuple[datetime, datetime]]:
    """The times in which a value should have come and none did; before the first value nothing was to come.

    Where the watch looks it is waited for, whatever windows measure beside it.
    """
    watched = {id(one) for one in values.watch}
    waits: Place | None = None
    places = values.all
    for place, one in enumerate(places):
        waits = one if id(one) in watched else waits
        following = waits.following if waits and one.last - waits.last <= _WATCHED else one.following
        end = places[place + 1].first if place + 1 < len(places) else choice.until
        if end - one.last > following:
            yield one.last, end


def _marks(frame: _Frame, done: Sequence[Done]) -> Iterator[Mark]:
    """One mark for all that shares its place, the actions before the windows."""
    seen: dict[tuple[float, bool], list[Done]] = {}
    for one in done:
        seen.setdefault((_WIDE * (frame.x(one.at) // _WIDE), one.action), []).append(one)
    for (x, action), mine in seen.items():
        more = f" and {len(mine) - 1} more" if len(mine) > 1 else ""
        yield Mark(x, f"{mine[0].at:%Y-%m-%d %H:%M} UTC: {mine[0].words}{more}", action)
