"""What the page of the checklists shows: rows with their marks, their windows, and windows without a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from upkeep.areas.calendar.due import DueWindow, State
from upkeep.dashboard.questions import OpenQuestion
from upkeep.report.checklist import GONE_BY, ITEMS, ChecklistItem
from upkeep.wires.database import Row


@dataclass(frozen=True)
class Mark:
    """What somebody said of a row; ``counts``: the row is acknowledged by it, ``checked``: a report judged it."""

    person: str
    role: str
    at: datetime
    did: str = "acknowledged"
    comment: str = ""
    counts: bool = True
    checked: bool = True


@dataclass(frozen=True)
class ListedRow:
    """A row of a checklist: its evidence, whose it is, what people said of it.

    Of one to be acknowledged here ``choice`` is its name in the form, ``who`` may do so, ``may``: so may the visitor,
    ``mine``: it waits for them, who hold the role, or own what nobody else does where nobody holds it. Of the others
    ``questions`` wait for an answer, ``asked``: somebody was asked.
    """

    item: ChecklistItem
    state: str
    evidence: str
    role: str
    owner: str
    marks: tuple[Mark, ...]
    choice: str = ""
    who: str = ""
    mine: bool = False
    may: bool = False
    asked: bool = False
    questions: tuple[OpenQuestion, ...] = ()

    @property
    def open(self) -> bool:
        """Whether nobody has acknowledged it, and somebody is to."""
        return self.state != GONE_BY and not any(mark.counts for mark in self.marks)


@dataclass(frozen=True)
class ListedWindow:
    """A window with the rows of its checklist, as its newest report has them, ``first_at`` is of its first.

    ``unlisted`` is how many rows nobody has acknowledged where they are only counted.
    """

    target: str
    cadence: str
    kind: str
    due: datetime
    first_at: datetime
    report: tuple[str, str]
    rows: tuple[ListedRow, ...]
    unlisted: int = 0

    @property
    def waits(self) -> int:
        """How many rows nobody has acknowledged."""
        return self.unlisted or len(self.open)

    @property
    def open(self) -> tuple[ListedRow, ...]:
        """The rows that nobody has acknowledged."""
        return tuple(row for row in self.rows if row.open)

    def age(self, now: datetime) -> timedelta:
        """For how long they could have been."""
        return max(now - self.first_at, timedelta())


@dataclass(frozen=True)
class Checklist:
    """A target's checklist of one cadence: the latest window of the calendar, and the others of which rows are open.

    On a page of several targets the others are counted only, as ``folded``: the target's own page has them. ``silent``
    are the calendar's windows past their deadline that have no report, the newest first; ``older`` is how many rows of
    windows that are too old to be listed, and no older than ``OLDER``, nobody has acknowledged.
    """

    target: str
    cadence: str
    latest: ListedWindow | None
    earlier: tuple[ListedWindow, ...]
    folded: tuple[ListedWindow, ...] = ()
    silent: tuple[DueWindow, ...] = ()
    older: int = 0

    @property
    def windows(self) -> tuple[ListedWindow, ...]:
        """All that are listed, the latest first."""
        return (*([self.latest] if self.latest else []), *self.earlier)

    @property
    def may(self) -> bool:
        """Whether there is a row that the visitor can acknowledge."""
        return any(row.may for window in self.windows for row in window.open)


@dataclass(frozen=True)
class WaitingRows:
    """How many daily rows wait for the visitor, for how long the oldest does, and how many for which other roles."""

    mine: int
    oldest: timedelta
    others: int
    owners: tuple[str, ...]


def open_rows(row: Row, marks: Mapping[tuple[int, str], Mark]) -> int:
    """How many daily rows of a window nobody has acknowledged, as ``ListedRow.open`` judges."""
    guides = (item.guide for item in ITEMS["daily"])
    return sum((row["report_id"], guide) not in marks and guide not in row["superseded"] for guide in guides)


def windows_without_report(
    unreported: Iterable[DueWindow],
    listed: Iterable[ListedWindow],
    target: str,
    cadence: str,
    *,
    after: datetime,
    now: datetime,
) -> tuple[DueWindow, ...]:
    """Of the calendar's windows without a report those due after a moment whose deadline is over; the newest first.

    Waived and frozen ones have none. What was superseded, or a dry run, has one, though no rows of it are listed.
    """
    known = {(one.target, one.due) for one in listed if one.kind == "calendar"}
    mine = [one for one in unreported if (one.cadence, one.target) == (cadence, target) and one.deadline <= now]
    return tuple(
        one
        for one in sorted(mine, key=lambda one: one.due, reverse=True)
        if one.state not in (State.WAIVED, State.FROZEN) and (target, one.due) not in known and one.due > after
    )
