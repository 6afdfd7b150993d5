"""The calendar: periods, deadlines and first Sundays, against the calendar of the standard library."""

from __future__ import annotations

import calendar
import itertools
from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import ValidationError

from upkeep.settings import ROOT, settings
from upkeep.windows import Cadence, Kind, Window, calendar_period, lateness, manual_period, superseded_by

DAILY = settings(ROOT / "config").maintenance.windows["daily"]
MONTHLY = Cadence(cron="0 2 * * 0#1", length_minutes=240)
DUE = datetime(2026, 7, 5, 2, tzinfo=UTC)
DAY, SECOND, TICK = timedelta(days=1), timedelta(seconds=1), timedelta(microseconds=1)
INDIA = timezone(timedelta(hours=5, minutes=30))


def window(kind: Kind, deadline: datetime) -> Window:
    return Window("primary", "daily", kind, DUE, deadline, DUE - DAY, DUE, "run", "maintenance_daily")


def first_sunday(year: int, month: int) -> datetime:
    """By the standard library's calendar, at 02:00 UTC."""
    sundays = [week[calendar.SUNDAY] for week in calendar.monthcalendar(year, month)]
    return datetime(year, month, next(day for day in sundays if day), 2, tzinfo=UTC)


FIRST_SUNDAYS = [first_sunday(year, month) for year in range(2025, 2045) for month in range(1, 13)]


@pytest.mark.parametrize("due", [DUE, datetime(2024, 3, 1, 2, tzinfo=UTC), datetime(2027, 1, 1, 2, tzinfo=UTC)])
def test_the_daily_period_is_the_day_before(due: datetime) -> None:
    """X7: 24 hours up to the due time, over months, leap days and years."""
    assert calendar_period(DAILY, due) == (due - DAY, due)


def test_daily_periods_tile_the_time() -> None:
    """Half-open: each period begins where the last one ended, for two years."""
    periods = [calendar_period(DAILY, DUE + number * DAY) for number in range(730)]
    assert all(end == start for (_, end), (start, _) in itertools.pairwise(periods))
    assert periods[-1][1] - periods[0][0] == 730 * DAY


def test_a_period_is_in_utc_whatever_the_due_time_is_in() -> None:
    """The same moment in another zone has the same period, written in UTC."""
    start, end = calendar_period(DAILY, DUE.astimezone(INDIA))
    assert (start, end) == (DUE - DAY, DUE)
    assert start.utcoffset() == end.utcoffset() == timedelta()


def test_the_length_is_from_due_to_deadline() -> None:
    """G1: 30 minutes."""
    assert DAILY.length == timedelta(minutes=30)


def test_the_first_sunday_is_the_first_sunday_for_twenty_years() -> None:
    """X8: 240 months against the standard library, none left out and none too many."""
    last = FIRST_SUNDAYS[-1] + SECOND
    found = []
    while (last := MONTHLY.before(last)) >= FIRST_SUNDAYS[0]:
        found.append(last)
    assert len(found) == 240
    assert found[::-1] == FIRST_SUNDAYS


def test_the_cron_line_of_the_guide_is_not_the_first_sunday() -> None:
    """X8: "1-7 and Sunday" is an OR, so that a Wednesday is due: what the test above would not let pass."""
    guide = Cadence(cron="0 2 1-7 * 0", length_minutes=240)
    assert guide.at_or_before(datetime(2026, 7, 1, 12, tzinfo=UTC)) == datetime(2026, 7, 1, 2, tzinfo=UTC)
    assert MONTHLY.at_or_before(datetime(2026, 7, 1, 12, tzinfo=UTC)) == datetime(2026, 6, 7, 2, tzinfo=UTC)


def test_between_first_sundays_lie_28_or_35_days() -> None:
    """X7: the period is worked out from the occurrences, and both lengths do occur."""
    periods = [calendar_period(MONTHLY, due) for due in FIRST_SUNDAYS[1:]]
    assert [start for start, _ in periods] == FIRST_SUNDAYS[:-1]
    assert {end - start for start, end in periods} == {28 * DAY, 35 * DAY}


@pytest.mark.parametrize(
    ("moment", "before", "at_or_before"),
    [
        (DUE - SECOND, DUE - DAY, DUE - DAY),
        (DUE - TICK, DUE - DAY, DUE - DAY),
        (DUE, DUE - DAY, DUE),
        (DUE + TICK, DUE, DUE),
        (DUE + timedelta(milliseconds=500), DUE, DUE),
        (DUE + SECOND - TICK, DUE, DUE),
        (DUE + SECOND, DUE, DUE),
        (DUE + DAY - TICK, DUE, DUE),
        ((DUE + TICK).astimezone(INDIA), DUE, DUE),
    ],
)
def test_the_last_occurrence_to_the_microsecond(moment: datetime, before: datetime, at_or_before: datetime) -> None:
    """The due moment itself belongs to the new window, the microsecond before it to the old one."""
    assert DAILY.before(moment) == before
    assert DAILY.at_or_before(moment) == at_or_before


@pytest.mark.parametrize("due", [DUE, DUE + TICK, DUE + timedelta(hours=5, microseconds=7), DUE - TICK])
def test_the_manual_period_is_as_long_as_the_calendars_and_ends_at_its_due_time(due: datetime) -> None:
    """X7: a run without a logical date has a defined period, to the microsecond."""
    assert manual_period(DAILY, due) == (due - DAY, due)


@pytest.mark.parametrize(
    ("due", "days"),
    [
        (datetime(2026, 8, 2, 1, 59, tzinfo=UTC), 28),  # the last period that ended is June to July
        (datetime(2026, 8, 2, 2, 0, tzinfo=UTC), 28),
        (datetime(2026, 9, 6, 1, 59, tzinfo=UTC), 28),
        (datetime(2026, 9, 6, 2, 0, tzinfo=UTC), 35),
    ],
)
def test_the_manual_period_of_a_month_is_as_long_as_the_one_that_ended_last(due: datetime, days: int) -> None:
    """From the moment of a first Sunday on it is that Sunday's period."""
    start, end = manual_period(MONTHLY, due)
    assert (end, end - start) == (due, days * DAY)


@pytest.mark.parametrize(
    ("due", "now", "later"),
    [
        (DUE, DUE, None),
        (DUE, DUE + TICK, None),
        (DUE, DUE + DAY - TICK, None),
        (DUE, DUE + DAY, DUE + DAY),
        (DUE, DUE + DAY + TICK, DUE + DAY),
        (DUE, DUE + 9.5 * DAY, DUE + 9 * DAY),
        (DUE + timedelta(hours=1), DUE + timedelta(hours=2), None),  # by hand, after the calendar's
        (DUE + timedelta(hours=1), DUE + DAY, DUE + DAY),
        (DUE - TICK, DUE, DUE),
        (DUE, DUE - SECOND, None),
    ],
)
def test_a_window_is_superseded_once_the_next_one_is_due(due: datetime, now: datetime, later: datetime | None) -> None:
    """The latest of the occurrences after it, from its very moment on; never by itself."""
    assert superseded_by(DAILY, due, now) == later


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (-DAY, ""),
        (timedelta(), ""),
        (TICK, "0:00:00 after its deadline"),
        (timedelta(hours=2, minutes=30), "2:30:00 after its deadline"),
        (timedelta(hours=2, minutes=30, microseconds=123_456), "2:30:00 after its deadline"),
        (timedelta(days=3, seconds=1, microseconds=5), "3 days, 0:00:01 after its deadline"),
    ],
)
def test_how_late_a_window_is(after: timedelta, said: str) -> None:
    """Nothing until its deadline has passed, then by how much, in whole seconds."""
    deadline = DUE + DAILY.length
    assert lateness(window(Kind.CALENDAR, deadline), deadline + after) == said


def test_a_manual_window_is_never_late() -> None:
    """Nobody promised when it would be done."""
    assert lateness(window(Kind.MANUAL, DUE), DUE + DAY) == ""


def test_the_period_of_a_window_is_its_start_and_end() -> None:
    """In this order, as the contract wants it."""
    assert window(Kind.CALENDAR, DUE).period == (DUE - DAY, DUE)


@pytest.mark.parametrize("cron", ["", "0 2 * *", "0 0 2 * * *", "@daily", "0 2 * * 0#6", "R 2 * * *", "0 2 31 4 *"])
def test_a_cron_line_that_has_no_calendar_is_refused(cron: str) -> None:
    """Too few or too many fields, nicknames, a sixth Sunday, a random minute, a 31st of April."""
    with pytest.raises(ValidationError, match="expected a cron line"):
        Cadence(cron=cron, length_minutes=30)
