"""A size over time with the room it has and where its growth leads, as the geometry of a small inline SVG. Pure.

Unlike in ``plots`` the horizontal axis is time: a slope is only one where days are as long as days.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upkeep.core.units import number, size
from upkeep.report.plots import LEFT, RIGHT, height

#: The key of the finding that is drawn, and what of its metadata.
KEY = "capacity:forecast"


@dataclass(frozen=True)
class ForecastPlot:
    """The measured line, the wedge of the interval, the middle of it, the limit; all but the first may be empty."""

    line: str
    wedge: str
    middle: str
    limit: float | None
    now: float
    limit_says: str
    words: str
    times: tuple[tuple[float, str, str], ...]
    data: tuple[tuple[str, str], ...]


def forecast_plot(metadata: Mapping[str, Any]) -> ForecastPlot | None:
    """The plot of a forecast's metadata, None where it holds no history.

    ``history`` [[days from now, bytes]], ``ahead`` [[days from now, low, middle, high]], ``limit_bytes`` (or null: not
    known). A report of before there was ``ahead`` has ``bytes_per_day`` [low, middle, high] alone.
    """
    history, rates, limit = (metadata.get(name) for name in ("history", "bytes_per_day", "limit_bytes"))
    if not history or not rates or len(history) < 2:
        return None
    last, until = history[-1][1], max(-history[0][0] / 2, 1.0)
    path = metadata.get("ahead") or [[until, *(last + rate * until for rate in rates)]]
    path = [[days, *(max(0.0, value) for value in values)] for days, *values in path]
    until, ends = path[-1][0], [value for row in path for value in row[1:]]
    shown = limit if limit is not None and limit < 4 * max(*ends, last) else None
    roof = 1.1 * max(*ends, *(value for _, value in history), shown or 0.0) or 1.0

    def place(day: float, value: float) -> str:
        x = LEFT + (RIGHT - LEFT) * (day - history[0][0]) / (until - history[0][0])
        return f"{x:.1f},{height(value, (0.0, roof)):g}"

    start = place(history[-1][0], last)
    now = float(place(0.0, 0.0).partition(",")[0])
    return ForecastPlot(
        line=" ".join(place(day, value) for day, value in history),
        wedge=" ".join(
            [start, *(place(row[0], row[3]) for row in path), *(place(row[0], row[1]) for row in path[::-1])]
        ),
        middle=" ".join([start, *(place(row[0], row[2]) for row in path)]),
        limit=None if shown is None else height(shown, (0.0, roof)),
        now=now,
        limit_says="" if limit is None else f"{metadata.get('limit_percent', 80):g} % is {size(limit)}",
        words=f"Database size: {size(history[0][1])} {said(history[0][0])}, now {size(last)}; "
        f"{said(until)} between {size(path[-1][1])} and {size(path[-1][3])}.",
        times=((LEFT, said(history[0][0]), "start"), (now, "now", "middle"), (RIGHT, said(until), "end")),
        data=(
            *((said(day), size(value)) for day, value in history),
            *((said(day), f"{size(middle)}, {size(low)} to {size(high)}") for day, low, middle, high in path),
        ),
    )


def said(day: float) -> str:
    """A day from now in words, in tenths; what is before now is negative."""
    days = round(abs(day), 1)
    words = f"{number(days)} day{'' if days == 1 else 's'}"
    return "now" if not days else f"in {words}" if day > 0 else f"{words} ago"
