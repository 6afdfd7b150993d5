"""Round numbers and round times for the axes of a trend. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from upkeep.core.units import amount

#: At most so many times, and about so many values.
_TIMES, _VALUES = 8, 4
_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
_STEPS = (
    *(10 * _MINUTE, 15 * _MINUTE, 30 * _MINUTE, _HOUR, 2 * _HOUR, 3 * _HOUR, 6 * _HOUR, 12 * _HOUR),
    *(_DAY, 2 * _DAY, 4 * _DAY, 7 * _DAY, 14 * _DAY),
)
_MONTHS = (1, 2, 3, 6)


@dataclass(frozen=True)
class Tick:
    """A place on an axis with what it says. Of ``second`` ones a narrow screen shows the line alone."""

    at: float
    says: str
    second: bool = False


def time_ticks(start: datetime, until: datetime, place: Callable[[datetime], float]) -> tuple[Tick, ...]:
    """Round times, UTC; what a change of day, or of year, begins says so."""
    moments = _moments(start.astimezone(UTC), until)
    length = until - start

    def says(at: datetime) -> str:
        if length <= 2 * _DAY and (at.hour or at.minute):
            return f"{at:%H:%M}"
        return f"{at:%d %b}" if length < 200 * _DAY else f"{at:%b %Y}"

    return tuple(Tick(place(at), says(at), bool(order % 2)) for order, at in enumerate(moments))


def _moments(start: datetime, until: datetime) -> Iterator[datetime]:
    length = until - start
    step = next((one for one in _STEPS if length / one <= _TIMES), None)
    if step is None:
        yield from _months(start, until)
        return
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    at = midnight + math.ceil((start - midnight) / step) * step
    while at < until:
        yield at
        at += step


def _months(start: datetime, until: datetime) -> Iterator[datetime]:
    between = (until - start) / timedelta(days=30)
    step = next((one for one in _MONTHS if between / one <= _TIMES), _MONTHS[-1])
    count = 12 * start.year + start.month - 1
    while True:
        count += step - count % step
        at = datetime(count // 12, count % 12 + 1, 1, tzinfo=UTC)
        if at >= until:
            return
        yield at


def value_ticks(axis: tuple[float, float], unit: str, place: Callable[[float], float]) -> tuple[Tick, ...]:
    """Round values between the lowest and the highest; bytes are round in units of 1,024."""
    low, high = axis
    scale = 1.0
    while unit == "bytes" and max(abs(low), abs(high)) >= 1024 * scale and scale < 1024.0**4:
        scale *= 1024
    step = _round_step((high - low) / scale / _VALUES) * scale
    first = math.ceil(low / step)
    last = math.floor(high / step)
    return tuple(Tick(place(step * one), amount(step * one, unit).strip()) for one in range(first, last + 1))


def _round_step(wanted: float) -> float:
    """1, 2 or 5 with zeros, no less than what is wanted."""
    power: float = 10.0 ** math.floor(math.log10(wanted))
    return next(one * power for one in (1, 2, 5, 10) if one * power >= wanted)
