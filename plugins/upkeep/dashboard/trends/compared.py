"""A stretch of time beside the one before it: this week and the last, of one series. Pure."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median

from upkeep.core.units import amount
from upkeep.dashboard.trends.choice import Choice
from upkeep.dashboard.trends.series import Place, Values


@dataclass(frozen=True)
class Stretch:
    """A stretch in numbers; ``usual`` is the median over its places, each by the middle of its values."""

    start: datetime
    until: datetime
    samples: int
    low: str
    usual: str
    high: str


def before(choice: Choice) -> Choice:
    """The stretch before, of the same length."""
    return replace(choice, until=choice.start, now=None)


def moved(values: Values, by: timedelta) -> Values:
    """The same values at another time: those of the stretch before lie under those that they are compared with."""

    def later(places: tuple[Place, ...]) -> tuple[Place, ...]:
        return tuple(replace(one, middle=one.middle + by, first=one.first + by, last=one.last + by) for one in places)

    return Values(values.unit, later(values.windows), later(values.watch))


def stretch(choice: Choice, values: Values) -> Stretch:
    """What is told of one stretch; without a value each number is said to be none."""
    sound = [(one.low, one.high) for one in values.all if one.low is not None and one.high is not None]

    def said(value: float | None) -> str:
        return "no value" if value is None else amount(value, values.unit).strip()

    return Stretch(
        choice.start,
        choice.until,
        sum(one.samples for one in values.all),
        said(min((low for low, _ in sound), default=None)),
        said(median((low + high) / 2 for low, high in sound) if sound else None),
        said(max((high for _, high in sound), default=None)),
    )
