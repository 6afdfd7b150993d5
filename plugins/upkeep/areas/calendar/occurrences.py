"""The occurrences of a target's cadences, each with what freezes and the monthly window make of it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from upkeep.core import windows
from upkeep.core.units import utc
from upkeep.core.windows import CHANGING, Authority, Cadence, Recurring
from upkeep.settings.approval import Freeze


@dataclass(frozen=True)
class Occurrence:
    """One window of the calendar, before anybody has run it.

    ``freeze`` is in force when it is due, so that it plans no change; ``frozen_from`` is when one begins while it is
    open, by when its changes must be done. ``covered_by`` is the due time of the monthly window that does its changes.
    """

    cadence: str
    due: datetime
    deadline: datetime
    freeze: Freeze | None = None
    frozen_from: datetime | None = None
    covered_by: datetime | None = None

    @property
    def changes(self) -> bool:
        """Whether it may plan changes of its own."""
        return self.cadence in CHANGING and self.freeze is None and self.covered_by is None

    @property
    def note(self) -> str:
        """What is special about it, as a sentence part; empty for a window like any other."""
        if self.freeze:
            return f"frozen: {self.freeze.reason} (until {utc(self.freeze.end)}); evidence only"
        if self.covered_by:
            return f"the monthly window of {utc(self.covered_by)} does its changes; evidence only"
        if self.frozen_from:
            return f"changes until {utc(self.frozen_from)}, when a freeze begins"
        return ""


def occurrences(
    cadences: Mapping[str, Cadence], freezes: Sequence[Freeze], start: datetime, end: datetime
) -> list[Occurrence]:
    """All that are due in [start, end), in their order, judged by the rules that plan and apply ask."""
    monthly = _Walked.through(cadences["monthly"], start, end) if "monthly" in cadences else None
    found = [
        _judged(name, cadence, due, monthly, freezes)
        for name, cadence in cadences.items()
        for due in cadence.between(start, end)
    ]
    return sorted(found, key=lambda each: (each.due, each.cadence))


def first_of_each(
    cadences: Mapping[str, Cadence], freezes: Sequence[Freeze], start: datetime, end: datetime
) -> list[Occurrence]:
    """Of each cadence the first that is due in [start, end), judged as ``occurrences`` does; none where none is."""
    firsts = {name: next(cadence.between(start, end), None) for name, cadence in cadences.items()}
    return [_judged(name, cadences[name], due, cadences.get("monthly"), freezes) for name, due in firsts.items() if due]


@dataclass(frozen=True)
class _Walked:
    """A cadence that looks its occurrences up: reading the cron line for each question takes most of a proof's time."""

    length: timedelta
    due: Sequence[datetime]

    @classmethod
    def through(cls, cadence: Cadence, start: datetime, end: datetime) -> _Walked:
        """From the last one before ``start`` to those that a window which is due before ``end`` can meet."""
        return cls(cadence.length, (cadence.before(start), *cadence.between(start, end + timedelta(days=1))))

    def before(self, moment: datetime) -> datetime:
        return self.due[bisect_left(self.due, moment) - 1]


def _judged(
    name: str, cadence: Cadence, due: datetime, monthly: Recurring | None, freezes: Sequence[Freeze]
) -> Occurrence:
    deadline = due + cadence.length
    if name not in CHANGING:
        return Occurrence(name, due, deadline)
    begins, itself = windows.next_freeze(freezes, due), Authority(due, deadline, outside=False)
    return Occurrence(
        name,
        due,
        deadline,
        freeze=windows.frozen(freezes, due),
        frozen_from=begins if begins and begins < deadline else None,
        covered_by=windows.covered_by(monthly, itself, freezes) if name == "weekly" else None,
    )
