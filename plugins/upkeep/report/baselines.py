"""Baselines over their history as the geometry of small inline SVGs: what is in force beside what is proposed. Pure.

The horizontal axis is time. A value that is far worse than every line lies on the edge; the words say how far it went.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from upkeep.core.findings import Finding, Level
from upkeep.core.units import count, number
from upkeep.report.forecasts import said
from upkeep.report.plots import LEFT, RIGHT, height

#: How the keys of the findings that are drawn begin; drift and rows have no history.
PREFIX = "baseline:"
#: At most so many on a page, those with a proposal first.
MOST = 24
_ROOM = 0.5  # how far beyond the outermost line values are drawn, as a share of all lines' and the middle's range


class PlotLine(NamedTuple):
    """The height of a baseline's value, the top and height of the band up to its end, and its number."""

    y: float
    top: float
    height: float
    says: str


@dataclass(frozen=True)
class BaselinePlot:
    """One subject: its values as a line; ``standing`` and ``proposed`` are None where there is none."""

    title: str
    level: Level
    line: str
    standing: PlotLine | None
    proposed: PlotLine | None
    words: str
    times: tuple[tuple[float, str, str], ...]
    data: tuple[tuple[str, str], ...]


def baseline_plots(findings: Iterable[Finding]) -> list[BaselinePlot]:
    """The plots of the findings that hold a history of at least two windows."""
    mine = [one for one in findings if one.key.startswith(PREFIX) and len(one.metadata.get("history") or ()) > 1]
    mine.sort(key=lambda one: one.metadata.get("proposed") is None)
    return [_drawn(one, one.metadata) for one in mine[:MOST]]


def _drawn(finding: Finding, seen: Mapping[str, Any]) -> BaselinePlot:
    history = [(float(day), float(value)) for day, value in seen["history"]]
    lines = [seen.get(name) for name in ("in_force", "in_force_end", "proposed", "proposed_end")]
    values = sorted(value for _, value in history)
    known = [float(line) for line in lines if line is not None] or [values[0], values[-1]]
    rises = lines[0] is None or lines[1] is None or lines[1] >= lines[0]
    if lines[2] is not None and lines[3] is not None:
        rises = lines[3] >= lines[2]
    axis = _axis([*known, values[len(values) // 2]], values, rises=rises)
    first, last = history[0][0], history[-1][0]

    def place(day: float, value: float) -> str:
        return f"{LEFT + (RIGHT - LEFT) * (day - first) / ((last - first) or 1):.1f},{height(value, axis):g}"

    unit = seen["unit"]
    parts = [f"{number(values[0])} to {number(values[-1])} {unit} in {count(len(values), 'window')}"]
    for name, value in (("in force", lines[0]), ("proposed", lines[2])):
        parts += [f"{name} {number(value)} {unit}"] if value is not None else [f"none {name}"]
    return BaselinePlot(
        title=finding.subject,
        level=finding.level,
        line=" ".join(place(day, value) for day, value in history),
        standing=_line(lines[0], lines[1], axis),
        proposed=_line(lines[2], lines[3], axis),
        words=f"{finding.subject}: {', '.join(parts)}.",
        times=((LEFT, said(first), "start"), (RIGHT, said(last), "end")),
        data=tuple((said(day), f"{number(value)} {unit}") for day, value in history),
    )


def _axis(lines: list[float], values: list[float], *, rises: bool) -> tuple[float, float]:
    """The lowest and highest value that is drawn: all lines, all better values, and the worse ones near the lines."""
    low, high = min(lines), max(lines)
    room = _ROOM * (high - low) or 0.1 * abs(high) or 1.0
    lowest = values[0] if rises else max(values[0], low - room)
    highest = min(values[-1], high + room) if rises else values[-1]
    return min(low, lowest) - 0.05 * room, max(high, highest) + 0.05 * room


def _line(value: float | None, end: float | None, axis: tuple[float, float]) -> PlotLine | None:
    if value is None or end is None:
        return None
    ys = sorted((height(value, axis), height(end, axis)))
    return PlotLine(height(value, axis), ys[0], round(ys[1] - ys[0], 1), number(value))
