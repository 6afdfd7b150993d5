"""The calendar: due times, deadlines and periods of windows. Pure; the clock is an argument.

A cron line alone gives Airflow 3.3 a zero-width data interval, and between first Sundays lie 28 or
35 days, so the period is worked out here from the occurrences themselves (X7). All times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Protocol, TypeVar

from croniter import croniter
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from upkeep.core import cron

#: The one that comes most often first; the daily one only reads.
CADENCES = ("daily", "weekly", "monthly")
#: Those whose windows may change something.
CHANGING = CADENCES[1:]

#: Occurrences are whole minutes: between two of them all moments have the same one before and after.
_MINUTE = timedelta(minutes=1)


class Cadence(BaseModel):
    """How often a window comes and how long it is open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str
    length_minutes: int = Field(ge=1, le=24 * 60, strict=True)

    @field_validator("cron")
    @classmethod
    def _valid(cls, value: str) -> str:
        cron.check(value)
        return value

    @field_validator("length_minutes")
    @classmethod
    def _over_before_the_next(cls, value: int, info: ValidationInfo) -> int:
        overlap = cron.first_overlap(info.data["cron"], timedelta(minutes=value)) if "cron" in info.data else None
        if overlap:
            due, following = overlap
            raise ValueError(
                f"found {value}, yet a window is due on {due:%Y-%m-%d at %H:%M} and the next one on "
                f"{following:%Y-%m-%d at %H:%M} UTC, expected one that is over when the next is due"
            )
        return value

    @property
    def length(self) -> timedelta:
        """From due to deadline."""
        return timedelta(minutes=self.length_minutes)

    def before(self, moment: datetime) -> datetime:
        """The last occurrence strictly before a moment."""
        return _before(self.cron, rounded_down(moment - timedelta(microseconds=1), _MINUTE) + _MINUTE)

    def at_or_before(self, moment: datetime) -> datetime:
        """The last occurrence not after a moment."""
        return self.before(moment + timedelta(microseconds=1))

    def after(self, moment: datetime) -> datetime:
        """The next occurrence strictly after a moment."""
        return _after(self.cron, rounded_down(moment, _MINUTE))

    def open_at(self, moment: datetime) -> datetime | None:
        """The due time of the occurrence that is open at a moment, None between windows."""
        due = self.at_or_before(moment)
        return due if moment < due + self.length else None

    def between(self, start: datetime, end: datetime) -> Iterator[datetime]:
        """The occurrences in [start, end), in their order: as ``after`` gives them one by one, and much faster."""
        times, one_day = cron.times_of_day(self.cron), timedelta(days=1)
        start, end = start.astimezone(UTC), end.astimezone(UTC)
        for day in _days(cron.day_fields(self.cron), start.date(), end.date() + one_day):
            yield from (due for time in times if start <= (due := cron.midnight(day) + time) < end)


@lru_cache(maxsize=16)
def _days(fields: str, start: date, end: date) -> tuple[date, ...]:
    """Kept, because targets that take turns within a night have their days in common."""
    return tuple(cron.days(fields, start, end))


class Recurring(Protocol):
    """What is due again and again, and open for some time each time."""

    @property
    def length(self) -> timedelta: ...

    def before(self, moment: datetime) -> datetime: ...


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


def instance_of(number: int, created_at: datetime) -> str:
    """What tells a run from every other of its id: the number of its row in Airflow, and when that was made."""
    return f"{number} of {created_at:%Y-%m-%dT%H:%M:%S.%fZ}"


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
    """From N to T for a plan drawn up at ``now`` (docs/gate.md): a window is open only when it is the calendar's.

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


class TimeRange(Protocol):
    """A time with a reason, such as a freeze: [start, end)."""

    @property
    def start(self) -> datetime: ...

    @property
    def end(self) -> datetime: ...

    @property
    def reason(self) -> str: ...


S = TypeVar("S", bound=TimeRange)


def frozen(freezes: Iterable[S], moment: datetime) -> S | None:
    """The freeze in force at a moment; of several the one that ends last."""
    return max(
        (freeze for freeze in freezes if freeze.start <= moment < freeze.end),
        key=lambda freeze: freeze.end,
        default=None,
    )


def freeze_of(freezes: Sequence[S], window: Window, begins: datetime) -> S | None:
    """The freeze in which a window changes nothing: in force when its changes begin, or when a calendar's is due."""
    due = frozen(freezes, window.due) if window.kind is WindowKind.CALENDAR else None
    return frozen(freezes, begins) or due


def next_freeze(freezes: Iterable[TimeRange], moment: datetime) -> datetime | None:
    """When the next freeze begins after a moment, None without one."""
    return min((freeze.start for freeze in freezes if freeze.start > moment), default=None)


def covered_by(monthly: Recurring | None, weekly: Authority, freezes: Iterable[TimeRange] = ()) -> datetime | None:
    """The due time of the monthly window whose open time overlaps the weekly one's, and which does its work (X9).

    One that is due in a freeze plans nothing, so it does nobody's; one in which a freeze begins has planned by then.
    Outside the calendar nothing is covered: people asked for this, now.
    """
    if monthly is None or weekly.outside:
        return None
    due = monthly.before(weekly.not_after)
    return due if weekly.not_before < due + monthly.length and not frozen(freezes, due) else None


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


def rounded_down(moment: datetime, step: timedelta) -> datetime:
    """The last whole multiple of a step since 1970 that is not after a moment, in UTC: its full hour, say."""
    utc = moment.astimezone(UTC)
    plain = datetime.combine(utc.date(), utc.time(), UTC)  # Airflow's own kind of datetime cannot be subtracted from
    return plain - (plain - datetime(1970, 1, 1, tzinfo=UTC)) % step


@lru_cache(maxsize=512)
def _before(line: str, moment: datetime) -> datetime:
    previous: datetime = croniter(line, moment).get_prev(datetime)
    return previous.replace(fold=0)


@lru_cache(maxsize=512)
def _after(line: str, moment: datetime) -> datetime:
    following: datetime = croniter(line, moment).get_next(datetime)
    return following.replace(fold=0)
