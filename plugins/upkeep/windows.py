"""The calendar: due times, deadlines and periods of windows. Pure; the clock is an argument.

A cron line alone gives Airflow 3.3 a zero-width data interval, and between first Sundays lie 28 or
35 days, so the period is worked out here from the occurrences themselves (X7). All times are UTC.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from croniter import CroniterBadDateError, croniter
from pydantic import BaseModel, ConfigDict, Field, field_validator


class Cadence(BaseModel):
    """How often a window comes and how long it is open."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cron: str
    length_minutes: int = Field(ge=1, le=24 * 60, strict=True)

    @field_validator("cron")
    @classmethod
    def _valid(cls, value: str) -> str:
        # croniter also knows R, a random time, which would give each task of a run another window.
        if len(value.split()) != 5 or re.search(r"\bR\b", value, re.IGNORECASE) or not croniter.is_valid(value):
            raise ValueError("expected a cron line of five fields, such as '0 2 * * *' (UTC)")
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


class Kind(StrEnum):
    """Whether the calendar or a person called for the window."""

    CALENDAR = "calendar"
    MANUAL = "manual"


@dataclass(frozen=True)
class Window:
    """One occurrence of a cadence. ``period`` is half-open: [start, end)."""

    target: str
    cadence: str
    kind: Kind
    due: datetime
    deadline: datetime
    period_start: datetime
    period_end: datetime
    run_id: str
    dag_id: str
    requested_by: str = ""

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


def lateness(window: Window, now: datetime) -> str:
    """Empty while the window is open, else a sentence part saying how late a calendar window is."""
    if window.kind is Kind.MANUAL or now <= window.deadline:
        return ""
    return f"{str(now - window.deadline).partition('.')[0]} after its deadline"
