"""One metric over the last windows as the geometry of a small inline SVG; the template only writes it down. Pure.

The horizontal axis counts windows, not hours: each has one place of the same width. A window without a sample is a
gap in the line, and so is an occurrence of the calendar for which there is no window at all; nothing is interpolated.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from upkeep.core.findings import Bands, Interval, Level
from upkeep.core.units import count, number, size, utc
from upkeep.report.model import History, Point

WIDTH, HEIGHT = 320, 92  # of the viewBox; on a phone about one unit per pixel
LEFT, RIGHT, TOP, BOTTOM = 6, 284, 6, 82  # of the area that is plotted in; right of it stand the thresholds
LABEL = 12  # units that a threshold's label needs for itself
OFF_SCALE = 3  # a band without an end is plotted up to this many times the range below it


@dataclass(frozen=True)
class Mark:
    """A sample's place. ``off`` says that the value lies beyond the scale: above, below or nowhere ("")."""

    x: float
    y: float
    level: Level | None
    kind: str
    off: str


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


def plot(history: History) -> Plot:
    """Work out the plot of one metric, also when it has one sample, or none."""
    bands, points = history.bands, history.points
    slots = _slots(points)
    axis = _axis(bands, [point.value for point in points if _measured(point) and point.value is not None])
    step = (RIGHT - LEFT) / max(len(slots), 1)
    xs = [round(LEFT + step * (place + 0.5), 1) for place in range(len(slots))]
    placed = [(x, slot) for x, slot in zip(xs, slots, strict=True) if slot and _measured(slot)]
    known = {x for x, _ in placed}
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
        marks=tuple(_mark(x, slot, history, axis) for x, slot in placed),
        gaps=tuple(x for x in xs if x not in known),
    )


def _measured(point: Point | None) -> bool:
    return point is not None and point.value is not None and math.isfinite(point.value)


def _slots(points: tuple[Point, ...]) -> list[Point | None]:
    """The windows in order, with a None where the calendar had an occurrence and nobody opened a window."""
    slots: list[Point | None] = []
    due = None
    for point in points:
        if point.kind == "calendar":
            if due is not None and point.after > due:
                slots.append(None)
            due = point.due
        slots.append(point)
    return slots


def _named(bands: Bands) -> tuple[tuple[Level, Interval], ...]:
    return (Level.OK, bands.ok), (Level.WARNING, bands.warning), (Level.CRITICAL, bands.critical)


def _axis(bands: Bands | None, values: list[float]) -> tuple[float, float]:
    """The lowest and highest value that is plotted: all that such a metric can be seen at, and both thresholds."""
    if bands is None:  # from nothing on, so that a change looks as large as it is
        low, high = min(0.0, *values, 0.0), max(0.0, *values, 0.0)
        return low, (high + 0.2 * (high - low)) or 1.0
    ends = [end for _, band in _named(bands) for end in (band.low, band.high)]
    edges = (bands.warning.low, bands.warning.high)
    roof = max(ends)
    if math.isinf(roof):
        roof = min(ends) + OFF_SCALE * (max(edges) - min(ends))
    possible = [min(value, roof) for value in values if bands.judge(value) is not Level.UNKNOWN]
    low, high = min((*possible, *edges)), max((*possible, *edges))
    room = 0.2 * (high - low) or 1.0
    return max(low - room, min(ends)), min(high + room, roof)


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


def _lines(xs: list[float], slots: list[Point | None], axis: tuple[float, float]) -> tuple[str, ...]:
    """The coordinates of each unbroken row of at least two samples."""
    rows = []
    for measured, run in itertools.groupby(zip(xs, slots, strict=True), key=lambda pair: _measured(pair[1])):
        corners = [f"{x:g},{height(slot.value, axis):g}" for x, slot in run if slot and slot.value is not None]
        if measured and len(corners) > 1:
            rows.append(" ".join(corners))
    return tuple(rows)


def _mark(x: float, point: Point, history: History, axis: tuple[float, float]) -> Mark:
    value = float(point.value or 0)
    off = "above" if value > axis[1] else "below" if value < axis[0] else ""
    return Mark(x, height(value, axis), history.judge(value), point.kind, off)


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


def _words(history: History, slots: list[Point | None]) -> str:
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


def _told(levels: list[Level | None], points: tuple[Point, ...], slots: list[Point | None]) -> list[tuple[int, str]]:
    return [
        (levels.count(Level.CRITICAL), "critical"),
        (levels.count(Level.WARNING), "in the warning band"),
        (levels.count(Level.UNKNOWN), "with a value that cannot be"),
        (sum(not _measured(point) for point in points), "without a sample"),
        (slots.count(None), "or more missing from the calendar"),
        (sum(point.kind == "manual" for point in points), "run by hand"),
    ]
