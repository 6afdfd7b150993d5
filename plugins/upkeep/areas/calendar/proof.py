"""The proof that a calendar's windows fit: a rule resolves each overlap, or it is a problem with its first date."""

from __future__ import annotations

import calendar
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from upkeep.areas.calendar.occurrences import Occurrence, occurrences
from upkeep.core.units import utc
from upkeep.core.windows import CADENCES, Cadence
from upkeep.settings.approval import Freeze

#: What happens where windows of two cadences are open at once.
RULES = {
    ("daily", "weekly"): "The daily window only reads: it runs beside the weekly one, and neither waits.",
    ("daily", "monthly"): "The daily window only reads: it runs beside the monthly one, and neither waits.",
    ("weekly", "monthly"): "The monthly window does the weekly one's changes too; that one collects its evidence, "
    "says so, and plans none. Where a freeze touches the monthly one, the weekly one does its own.",
}


@dataclass(frozen=True)
class Problem:
    """Why a calendar is refused: the setting, what was found on which date, what was expected."""

    setting: str
    found: str
    first: datetime
    expected: str

    def __str__(self) -> str:
        return f"{self.setting}: found {self.found}, first on {utc(self.first)}, expected {self.expected}"


@dataclass(frozen=True)
class Overlap:
    """Two windows that are open at once; ``earlier`` is due first, or at the same moment."""

    earlier: Occurrence
    later: Occurrence

    @property
    def cadences(self) -> tuple[str, str]:
        """Both, the one that comes more often first."""
        return tuple(sorted((self.earlier.cadence, self.later.cadence), key=CADENCES.index))  # type: ignore[return-value]


@dataclass(frozen=True)
class Calendar:
    """What targets with the same cadences have in common: their occurrences in [start, end)."""

    targets: tuple[str, ...]
    cadences: Mapping[str, Cadence]
    occurrences: tuple[Occurrence, ...]
    overlaps: tuple[Overlap, ...]

    def of(self, cadence: str) -> list[Occurrence]:
        """Those of one cadence."""
        return [each for each in self.occurrences if each.cadence == cadence]

    def overlaps_of(self, *cadences: str) -> list[Overlap]:
        """Those between two cadences, given in the order of `RULES`."""
        return [each for each in self.overlaps if each.cadences == cadences]

    @property
    def same_day(self) -> list[datetime]:
        """Days on which a weekly and a monthly window plan changes one after the other."""
        monthly = {each.due.date() for each in self.of("monthly") if each.changes}
        at_once = {each for one in self.overlaps_of("weekly", "monthly") for each in (one.earlier, one.later)}
        after = (each for each in self.of("weekly") if each.changes and each not in at_once)
        return [each.due for each in after if each.due.date() in monthly]


@dataclass(frozen=True)
class Queue:
    """Changing windows of several targets that are open at once; one changes at a time, whoever comes first."""

    count: int
    first: datetime


@dataclass(frozen=True)
class Proof:
    """What was found in [start, end); the calendar fits when there are no problems."""

    start: datetime
    end: datetime
    calendars: tuple[Calendar, ...]
    queue: Queue | None
    problems: tuple[Problem, ...]

    @property
    def leap_years(self) -> list[int]:
        """Those that a part of the time lies in."""
        last = self.end - timedelta(microseconds=1)
        return [year for year in range(self.start.year, last.year + 1) if calendar.isleap(year)]


def prove(
    targets: Mapping[str, Mapping[str, Cadence]], freezes: Sequence[Freeze], start: datetime, end: datetime
) -> Proof:
    """Walk through every occurrence of every target in [start, end)."""
    calendars = tuple(
        _calendar(tuple(names), cadences, freezes, start, end) for cadences, names in _alike(targets).values()
    )
    queue, crowded = _queue(calendars)
    problems = [
        replace(problem, setting=f"{problem.setting} of {', '.join(each.targets)}") if len(calendars) > 1 else problem
        for each in calendars
        for problem in (*_unresolved(each), *_never_alone(each))
    ]
    return Proof(start, end, calendars, queue, (*problems, *crowded))


def _alike(
    targets: Mapping[str, Mapping[str, Cadence]],
) -> dict[tuple[tuple[str, Cadence], ...], tuple[Mapping[str, Cadence], list[str]]]:
    """Targets with the same cadences have one calendar."""
    found: dict[tuple[tuple[str, Cadence], ...], tuple[Mapping[str, Cadence], list[str]]] = {}
    for name, cadences in targets.items():
        found.setdefault(tuple(sorted(cadences.items(), key=lambda item: item[0])), (cadences, []))[1].append(name)
    return found


def _calendar(
    targets: tuple[str, ...],
    cadences: Mapping[str, Cadence],
    freezes: Sequence[Freeze],
    start: datetime,
    end: datetime,
) -> Calendar:
    found = tuple(occurrences(cadences, freezes, start, end))
    return Calendar(targets, cadences, found, tuple(_overlaps(found)))


def _overlaps(ordered: Sequence[Occurrence]) -> Iterator[Overlap]:
    """Every pair that is open at once, by the order of their due times; windows are half-open: [due, deadline)."""
    still_open: list[Occurrence] = []
    for each in ordered:
        still_open = [earlier for earlier in still_open if earlier.deadline > each.due]
        yield from (Overlap(earlier, each) for earlier in still_open)
        still_open.append(each)


def _unresolved(found: Calendar) -> Iterator[Problem]:
    """Overlaps that no rule resolves: of a cadence with itself, or a weekly window that the rule does not cover."""
    told: set[tuple[str, str]] = set()
    for overlap in found.overlaps:
        if overlap.cadences in told or _is_resolved(overlap):
            continue
        told.add(overlap.cadences)
        earlier, later = overlap.earlier, overlap.later
        yield Problem(
            f"windows.{earlier.cadence}.length_minutes",
            f"{found.cadences[earlier.cadence].length_minutes}, with which the {earlier.cadence} window of "
            f"{earlier.due:%Y-%m-%d %H:%M} is still open when the {later.cadence} one is due",
            later.due,
            "one that is over by then",
        )


def _is_resolved(overlap: Overlap) -> bool:
    match overlap.cadences:
        case ("weekly", "monthly"):
            pair = (overlap.earlier, overlap.later)
            weekly, monthly = pair if overlap.earlier.cadence == "weekly" else pair[::-1]
            return weekly.covered_by is not None or monthly.freeze is not None
        case pair:
            return pair in RULES


def _never_alone(found: Calendar) -> Iterator[Problem]:
    """A weekly window that is within a monthly one each time never changes anything itself."""
    weekly = found.of("weekly")
    within = {each for one in found.overlaps_of("weekly", "monthly") for each in (one.earlier, one.later)}
    if weekly and all(each.covered_by or each in within for each in weekly):
        yield Problem(
            "windows.weekly.cron",
            f"{found.cadences['weekly'].cron!r}, each of whose {len(weekly)} windows overlaps a monthly one "
            f"({found.cadences['monthly'].cron!r}) that does its changes",
            weekly[0].due,
            "weekly windows that have changes of their own",
        )


def _queue(calendars: Sequence[Calendar]) -> tuple[Queue | None, list[Problem]]:
    """How many targets' changing windows are open at once at most; a problem where not each can have a minute.

    Upkeep changes one target at a time (the pool ``upkeep_mutations`` has one slot), and no window is shorter than a
    minute.
    """
    changing = [(each, len(found.targets)) for found in calendars for each in found.occurrences if each.changes]
    opening = ((each.due, count) for each, count in changing)
    closing = ((each.deadline, -count) for each, count in changing)
    events = sorted((*opening, *closing))  # what closes at a moment does so before what opens
    counts = itertools.accumulate(change for _, change in events)
    most, first = max(zip(counts, (moment for moment, _ in events), strict=True), key=_count, default=(0, None))
    if most < 2 or first is None:
        return None, []
    at_once = [each for each, _ in changing if each.due <= first < each.deadline]
    room = max(each.deadline for each in at_once) - min(each.due for each in at_once)
    queue, minutes = Queue(most, first), room // timedelta(minutes=1)
    if most <= minutes:
        return queue, []
    found = f"{most} whose windows share {minutes} minutes, in which one after the other is changed"
    return queue, [Problem("targets", found, first, "at least a minute for each")]


def _count(item: tuple[int, datetime]) -> int:
    return item[0]
