"""A size over time with the room it has and where its growth leads, as the geometry of a small inline SVG. Pure.

Unlike in ``plots`` the horizontal axis is time: a slope is only one where days are as long as days.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from upkeep.reports.plots import BOTTOM, LEFT, RIGHT, TOP
from upkeep.reports.text import size

#: The key of the finding that is drawn, and what of its metadata.
KEY = "capacity:forecast"


@dataclass(frozen=True)
class Drawn:
    """The measured line, the wedge of the interval, the middle of it, the limit; all but the first may be empty."""

    line: str
    wedge: str
    middle: str
    limit: float | None
    now: float
    limit_says: str
    words: str


def forecast(metadata: Mapping[str, Any]) -> Drawn | None:
    """The plot of a forecast's metadata, None where it holds no history.

    ``history`` [[days from now, bytes]], ``bytes_per_day`` [low, middle, high], ``limit_bytes`` (or null: not known).
    """
    history, rates, limit = (metadata.get(name) for name in ("history", "bytes_per_day", "limit_bytes"))
    if not history or not rates or len(history) < 2:
        return None
    ahead = max(-history[0][0] / 2, 1.0)
    last = history[-1][1]
    ends = [max(0.0, last + rate * ahead) for rate in rates]
    shown = limit if limit is not None and limit < 4 * max(*ends, last) else None
    roof = 1.1 * max(*ends, *(value for _, value in history), shown or 0.0) or 1.0

    def place(day: float, value: float) -> str:
        x = LEFT + (RIGHT - LEFT) * (day - history[0][0]) / (ahead - history[0][0])
        return f"{x:.1f},{_y(value, roof):g}"

    start = place(history[-1][0], last)
    return Drawn(
        line=" ".join(place(day, value) for day, value in history),
        wedge=f"{start} {place(ahead, ends[2])} {place(ahead, ends[0])}",
        middle=f"{start} {place(ahead, ends[1])}",
        limit=None if shown is None else _y(shown, roof),
        now=float(place(0.0, 0.0).partition(",")[0]),
        limit_says="" if limit is None else f"80 % is {size(limit)}",
        words=f"Database size: {size(history[0][1])} {-history[0][0]:.0f} days ago, now {size(last)}; "
        f"in {ahead:.0f} days between {size(ends[0])} and {size(ends[2])}.",
    )


def _y(value: float, roof: float) -> float:
    inside = min(max(value if math.isfinite(value) else roof, 0.0), roof)
    return round(BOTTOM - (BOTTOM - TOP) * inside / roof, 1)
