"""One metric over the last windows as the geometry of a small inline SVG; the template only writes it down. Pure.

The horizontal axis is time. A window without a sample is a gap in the line, and so is an occurrence of the calendar for
which there is no window at all; nothing is interpolated. The vertical axis is made for what is usual: a value that is
far beyond it lies on the edge, with its number.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from upkeep.core.findings import Bands, Interval, Level
from upkeep.core.units import count, number, size, utc
from upkeep.report.model import History, Point

WIDTH, HEIGHT = 320, 106  # of the viewBox; on a phone about one unit per pixel
LEFT, RIGHT, TOP, BOTTOM = 6, 284, 8, 84  # of the area that is plotted in; right of it stand thresholds, below it times
LABEL = 12  # units that a threshold's label needs for itself
OFF_SCALE = 3  # a value is off the scale so many times as far out as the thresholds and three quarters of the others
NAMED = 40  # units that the number of a value off the scale needs for itself
EDGE = 4  # units between the area's edge and the first and the last mark
DAILY = timedelta(days=2)  # an axis that is shorter than this tells hours

#: A window, or when one should have been opened.
Slot = Point | datetime


@dataclass(frozen=True)
class Mark:
    """A sample's place. ``off`` says that the value lies beyond the scale: above, below or nowhere ("").

    ``says`` is the value of one that does, where there is room to write it.
    """

    x: float
    y: float
    level: Level | None
    kind: str
    off: str
    says: str = ""


class Datum(NamedTuple):
    """A row of the table behind a plot: a window, or with no kind an occurrence that nobody opened one for."""

    at: str
    value: str
    level: Level | None
    kind: str


@dataclass(frozen=True)
class Plot:
    """All that the page shows of one metric; ``level`` is None where nothing judges it."""

    title: str
    guide: str
    last: str
    level: Level | None
    range: str
    expected: str
    words: str
    bands: tuple[tuple[Level, float, float], ...]
    thresholds: tuple[tuple[float, str, bool], ...]
    lines: tuple[str, ...]
    marks: tuple[Mark, ...]
    gaps: tuple[float, ...]
    times: tuple[tuple[float, str, str], ...]
    data: tuple[Datum, ...]


def plot(history: History) -> Plot:
    """Work out the plot of one metric, also when it has one sample, or none."""
    bands, points = history.bands, history.points
    slots = _slots(points)
    axis = _axis(bands, [point.value for point in points if _measured(point) and point.value is not None])
    times = [slot.due if isinstance(slot, Point) else slot for slot in slots]
    xs = [_place(time, times) for time in times]
    placed = [(x, slot) for x, slot in zip(xs, slots, strict=True) if isinstance(slot, Point) and _measured(slot)]
    return Plot(
        title=history.title,
        guide=history.guide,
        last=_last(history),
        level=history.judge(points[-1].value if points else None),
        range=_range(history),
        expected=f"ok {bands.says(Level.OK)}, critical {bands.says(Level.CRITICAL)}" if bands else "",
        words=_words(history, slots),
        bands=tuple(_band(level, band, axis) for level, band in _named(bands)) if bands else (),
        thresholds=_thresholds(bands, axis) if bands else (),
        lines=_lines(xs, slots, axis),
        marks=_apart([_mark(x, slot, history, axis) for x, slot in placed]),
        gaps=tuple(x for x, slot in zip(xs, slots, strict=True) if not _measured(slot)),
        times=time_axis(times[0], times[-1]) if times else (),
        data=tuple(_datum(slot, history) for slot in slots),
    )


def _place(time: datetime, times: list[datetime]) -> float:
    """Where a time is drawn; one alone stands in the middle."""
    whole = times[-1] - times[0]
    inside = (RIGHT - LEFT) - 2 * EDGE
    return round(LEFT + EDGE + inside * ((time - times[0]) / whole if whole else 0.5), 1)


def time_axis(first: datetime, last: datetime) -> tuple[tuple[float, str, str], ...]:
    """What stands under a plot: place, time in UTC, and which way it is written from there."""
    form = "%H:%M" if last - first < DAILY else "%d %b"
    ends = [(float(LEFT), first, "start"), (float(RIGHT), last, "end")]
    if last == first:
        return (((LEFT + RIGHT) / 2, f"{first.astimezone(UTC):%d %b %H:%M}", "middle"),)
    middle = ((LEFT + RIGHT) / 2, first + (last - first) / 2, "middle")
    said = [(x, time.astimezone(UTC).strftime(form), anchor) for x, time, anchor in (ends[0], middle, ends[1])]
    return tuple(said) if len({words for _, words, _ in said}) == len(said) else (said[0], said[2])


def _datum(slot: Slot, history: History) -> Datum:
    if not isinstance(slot, Point):
        return Datum(utc(slot), "no window", None, "")
    if slot.value is None or not _measured(slot):
        return Datum(utc(slot.due), "not collected", history.judge(None), slot.kind)
    return Datum(utc(slot.due), _said(history, slot.value), history.judge(slot.value), slot.kind)


def _measured(slot: Slot) -> bool:
    return isinstance(slot, Point) and slot.value is not None and math.isfinite(slot.value)


def _slots(points: tuple[Point, ...]) -> list[Slot]:
    """The windows in order, with its time alone where the calendar had an occurrence and nobody opened a window."""
    slots: list[Slot] = []
    due = None
    for point in points:
        if point.kind == "calendar":
            if due is not None and point.after > due:
                slots.append(point.after)
            due = point.due
        slots.append(point)
    return sorted(slots, key=lambda slot: slot.due if isinstance(slot, Point) else slot)


def _named(bands: Bands) -> tuple[tuple[Level, Interval], ...]:
    return (Level.OK, bands.ok), (Level.WARNING, bands.warning), (Level.CRITICAL, bands.critical)


def _axis(bands: Bands | None, values: list[float]) -> tuple[float, float]:
    """The lowest and highest value that is plotted: both thresholds, and all values but those far beyond the usual."""
    if bands is None:  # from nothing on, so that a change looks as large as it is
        reach = _reach([0.0], [abs(value) for value in values])
        usual = [0.0, *(value for value in values if abs(value) <= reach)]
        low, high = min(usual), max(usual)
        return low, (high + 0.2 * (high - low)) or 1.0
    ends = [end for _, band in _named(bands) for end in (band.low, band.high)]
    edges = (bands.warning.low, bands.warning.high)
    possible = [value for value in values if bands.judge(value) is not Level.UNKNOWN]
    rises = bands.critical.low >= bands.warning.low
    best = min(ends) if rises else max(ends)
    reach = _reach([abs(edge - best) for edge in edges], [abs(value - best) for value in possible])
    usual = [value for value in possible if abs(value - best) <= reach]
    low, high = min((*usual, *edges)), max((*usual, *edges))
    room = 0.2 * (high - low) or 1.0
    return max(low - room, min(ends)), min(high + room, max(ends))


def _reach(edges: list[float], distances: list[float]) -> float:
    """How far from its best value a metric is plotted at most: the farthest value alone does not decide it."""
    *others, farthest = sorted(distances) or [0.0]
    most = others[3 * (len(others) - 1) // 4] if others else 0.0
    return OFF_SCALE * (max(*edges, most) or farthest)


def height(value: float, axis: tuple[float, float]) -> float:
    """Where a value is plotted between the lowest and the highest; beyond them on the edge."""
    low, high = axis
    inside = min(max(value, low), high)
    return round(BOTTOM - (BOTTOM - TOP) * (inside - low) / (high - low), 1)


def _band(level: Level, band: Interval, axis: tuple[float, float]) -> tuple[Level, float, float]:
    """A band's level, its top, and its height."""
    top, bottom = height(band.high, axis), height(band.low, axis)
    return level, top, round(bottom - top, 1)


def _thresholds(bands: Bands, axis: tuple[float, float]) -> tuple[tuple[float, str, bool], ...]:
    """Where ok and critical begin: height, number, and whether there is room to write it."""
    pair = sorted({bands.warning.low, bands.warning.high})
    ys = [height(value, axis) for value in pair]
    room = len(ys) < 2 or abs(ys[0] - ys[1]) >= LABEL
    critical = bands.warning.low if bands.critical.low < bands.warning.low else bands.warning.high
    return tuple((y, number(value), room or value == critical) for y, value in zip(ys, pair, strict=True))


def _lines(xs: list[float], slots: list[Slot], axis: tuple[float, float]) -> tuple[str, ...]:
    """The coordinates of each unbroken row of at least two samples."""
    rows = []
    for measured, run in itertools.groupby(zip(xs, slots, strict=True), key=lambda pair: _measured(pair[1])):
        drawn = [(x, slot.value) for x, slot in run if isinstance(slot, Point) and slot.value is not None]
        corners = [f"{x:g},{height(value, axis):g}" for x, value in drawn]
        if measured and len(corners) > 1:
            rows.append(" ".join(corners))
    return tuple(rows)


def _mark(x: float, point: Point, history: History, axis: tuple[float, float]) -> Mark:
    value = float(point.value or 0)
    off = "above" if value > axis[1] else "below" if value < axis[0] else ""
    return Mark(x, height(value, axis), history.judge(value), point.kind, off, number(value) if off else "")


def _apart(marks: list[Mark]) -> tuple[Mark, ...]:
    """The numbers of what is off the scale, the newest first, as long as none lies upon another."""
    taken: list[float] = []
    for place, mark in reversed(list(enumerate(marks))):
        if mark.says and any(abs(mark.x - x) < NAMED for x in taken):
            marks[place] = replace(mark, says="")
        elif mark.says:
            taken.append(mark.x)
    return tuple(marks)


def _said(history: History, value: float) -> str:
    """A value with its unit."""
    return size(value) if history.unit == "bytes" else f"{number(value)} {history.unit}"


def _last(history: History) -> str:
    """The value in this window, with its unit."""
    point = history.points[-1] if history.points else None
    if point is None or point.value is None or not _measured(point):
        return "not collected"
    return _said(history, point.value)


def _range(history: History) -> str:
    """The lowest and the highest value; the last one known when this window has none."""
    known = [point for point in history.points if _measured(point)]
    values = [point.value for point in known if point.value is not None]
    if not values:
        return "no sample yet"
    low, high = _said(history, min(values)), _said(history, max(values))
    said = f"always {low}" if low == high else f"{low.removesuffix(f' {history.unit}')} to {high}"
    if len(values) == 1:
        said = f"one sample, {low}"
    if known[-1] is not history.points[-1]:
        said += f"; last known {_said(history, values[-1])}, {utc(known[-1].due)}"
    return said


def _words(history: History, slots: list[Slot]) -> str:
    """The plot for those who do not see it."""
    points = history.points
    if not points:
        return f"{history.title}: no window is known."
    levels = [history.judge(point.value) for point in points if _measured(point)]
    level = f", {levels[-1]}" if _measured(points[-1]) and levels[-1] else ""
    parts = [f"now {_last(history)}{level}", _range(history)]
    parts += [f"{count(n, 'window')} {said}" for n, said in _told(levels, points, slots) if n]
    first, last = utc(points[0].due), utc(points[-1].due)
    return f"{history.title}, {count(len(points), 'window')} from {first} to {last}: {'; '.join(parts)}."


def _told(levels: list[Level | None], points: tuple[Point, ...], slots: list[Slot]) -> list[tuple[int, str]]:
    return [
        (levels.count(Level.CRITICAL), "critical"),
        (levels.count(Level.WARNING), "in the warning band"),
        (levels.count(Level.UNKNOWN), "with a value that cannot be"),
        (sum(not _measured(point) for point in points), "without a sample"),
        (sum(not isinstance(slot, Point) for slot in slots), "or more missing from the calendar"),
        (sum(point.kind == "manual" for point in points), "run by hand"),
    ]
