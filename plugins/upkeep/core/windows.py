"""The calendar: due times, deadlines and periods of windows. Pure; the clock is an argument.

A cron line alone gives Airflow 3.3 a zero-width data interval, and between first Sundays lie 28 or
35 days, so the period is worked out here from the occurrences themselves (X7). All times are UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Protocol, TypeVar

from croniter import CroniterBadDateError, croniter
from pydantic import BaseModel, ConfigDict, Field, field_validator

#: A cron line's fields in their order, and what each of them holds.
_CRON_FIELDS = {
    "minute": "0 to 59",
    "hour": "0 to 23",
    "day of the month": "1 to 31",
    "month": "1 to 12 or jan to dec",
    "day of the week": "0 to 7 or sun to sat",
}


class Cadence(BaseModel):
    """How often a window comes and how long it is open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str
    length_minutes: int = Field(ge=1, le=24 * 60, strict=True)

    @field_validator("cron")
    @classmethod
    def _valid(cls, value: str) -> str:
        fields = value.split()
        if len(fields) != len(_CRON_FIELDS):
            raise ValueError(f"{len(fields)} fields, expected a cron line of five fields, such as '0 2 * * *' (UTC)")
        for field, (name, expected) in zip(fields, _CRON_FIELDS.items(), strict=True):
            alone = " ".join(field if name == other else "*" for other in _CRON_FIELDS)
            # croniter also knows R, a random time, which would give each task of a run another window.
            if re.search(r"\bR\b", field, re.IGNORECASE) or not croniter.is_valid(alone):
                raise ValueError(
                    f"its {name} is {field!r}, expected {expected}, '*', or lists, ranges and steps of them"
                )
        if not croniter.is_valid(value):  # each of the fields is right, and they do not fit each other
            raise ValueError("expected five fields that go together, such as '0 2 * * *' (UTC)")
        try:
            croniter(value, datetime(2000, 1, 1, tzinfo=UTC)).get_prev()
        except CroniterBadDateError:
            raise ValueError("expected a cron line with a day that exists, unlike 30 February") from None
        return value

    @property
    def length(self) -> timedelta:
        """From due to deadline."""
        return timedelta(minutes=self.length_minutes)

    def before(self, moment: datetime) -> datetime:
        """The last occurrence strictly before a moment."""
        previous: datetime = croniter(self.cron, moment.astimezone(UTC)).get_prev(datetime)
        return previous.replace(fold=0)

    def at_or_before(self, moment: datetime) -> datetime:
        """The last occurrence not after a moment."""
        return self.before(moment + timedelta(microseconds=1))

    def after(self, moment: datetime) -> datetime:
        """The next occurrence strictly after a moment."""
        following: datetime = croniter(self.cron, moment.astimezone(UTC)).get_next(datetime)
        return following.replace(fold=0)

    def open_at(self, moment: datetime) -> datetime | None:
        """The due time of the occurrence that is open at a moment, None between windows."""
        due = self.at_or_before(moment)
        return due if moment < due + self.length else None


class WindowKind(StrEnum):
    """Whether the calendar or a person called for the window."""

    CALENDAR = "calendar"
    MANUAL = "manual"


class When(StrEnum):
    """When a manual run's mutations are to happen; the choices of the trigger form."""

    NEXT = "for the next window"
    NOW = "now, outside the calendar"


@dataclass(frozen=True)
class Run:
    """One run and no other: Airflow gives the id of a deleted run again, ``instance`` it never gives twice.

    It is empty where Airflow's scheduler did not say (ADR 0014): then the run has no plan and can get none.
    """

    dag_id: str
    run_id: str
    instance: str


@dataclass(frozen=True)
class Window:
    """One occurrence of a cadence. ``period`` is half-open: [start, end)."""

    target: str
    cadence: str
    kind: WindowKind
    due: datetime
    deadline: datetime
    period_start: datetime
    period_end: datetime
    run_id: str
    dag_id: str
    requested_by: str = ""
    instance: str = ""

    @property
    def run(self) -> Run:
        """The run that opened it."""
        return Run(self.dag_id, self.run_id, self.instance)

    @property
    def period(self) -> tuple[datetime, datetime]:
        return self.period_start, self.period_end


def calendar_period(cadence: Cadence, due: datetime) -> tuple[datetime, datetime]:
    """From the previous occurrence to this one."""
    return cadence.before(due), due.astimezone(UTC)


def manual_period(cadence: Cadence, due: datetime) -> tuple[datetime, datetime]:
    """The cadence's last full length up to ``due``: as long as the calendar's period that ended last."""
    latest = cadence.at_or_before(due)
    return due - (latest - cadence.before(latest)), due


def superseded_by(cadence: Cadence, due: datetime, now: datetime) -> datetime | None:
    """The latest occurrence in (due, now], after which a look at "now" says nothing about ``due``."""
    latest = cadence.at_or_before(now)
    return latest if latest > due else None


@dataclass(frozen=True)
class Authority:
    """The time in which an approved mutation may run: [not_before, not_after), absolute, UTC.

    ``outside`` is true when that time is not a window of the calendar: approving it is the override.
    """

    not_before: datetime
    not_after: datetime
    outside: bool


def authority(
    cadence: Cadence, window: Window, now: datetime, *, scheduled: bool, when: When, closed_response: timedelta
) -> Authority:
    """From N to T for a plan drawn up at ``now`` (APPROVAL.md): a window is open only when it is the calendar's.

    Neither the due time of a manual run nor that of a backfilled one opens anything: who triggers can name any date.
    """
    now, due = now.astimezone(UTC), window.due.astimezone(UTC)
    ours = scheduled and window.kind is WindowKind.CALENDAR and cadence.at_or_before(due) == due
    if ours and due <= now < due + cadence.length:
        return Authority(due, due + cadence.length, outside=False)
    if window.kind is WindowKind.MANUAL and when is When.NEXT:
        upcoming = cadence.after(now)
        return Authority(upcoming, upcoming + cadence.length, outside=False)
    return Authority(now, now + closed_response + cadence.length, outside=True)


def fits(now: datetime, predicted: timedelta, not_after: datetime) -> bool:
    """Whether what starts now is predicted to end before T."""
    return now + max(predicted, timedelta()) < not_after


class Stretch(Protocol):
    """A time with a reason, such as a freeze: [start, end)."""

    @property
    def start(self) -> datetime: ...

    @property
    def end(self) -> datetime: ...

    @property
    def reason(self) -> str: ...


S = TypeVar("S", bound=Stretch)


def frozen(freezes: Iterable[S], moment: datetime) -> S | None:
    """The freeze in force at a moment; of several the one that ends last."""
    return max(
        (freeze for freeze in freezes if freeze.start <= moment < freeze.end),
        key=lambda freeze: freeze.end,
        default=None,
    )


def next_freeze(freezes: Iterable[Stretch], moment: datetime) -> datetime | None:
    """When the next freeze begins after a moment, None without one."""
    return min((freeze.start for freeze in freezes if freeze.start > moment), default=None)


def covered_by(monthly: Cadence | None, weekly: Authority) -> datetime | None:
    """The due time of the monthly window whose open time overlaps the weekly one's, and which does its work (X9).

    Outside the calendar nothing is covered: people asked for exactly this, now.
    """
    if monthly is None or weekly.outside:
        return None
    due = monthly.before(weekly.not_after)
    return due if weekly.not_before < due + monthly.length else None


def held_slot(cadence: Cadence, logical_date: datetime | None) -> datetime | None:
    """The calendar's occurrence whose slot a manual run with this logical date holds: Airflow then skips its own."""
    if logical_date is None:
        return None
    return logical_date if cadence.at_or_before(logical_date) == logical_date else None


def lateness(window: Window, now: datetime) -> str:
    """Empty while the window is open, else a sentence part saying how late a calendar window is."""
    if window.kind is WindowKind.MANUAL or now <= window.deadline:
        return ""
    return f"{str(now - window.deadline).partition('.')[0]} after its deadline"
