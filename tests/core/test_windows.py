"""The calendar: periods, deadlines and first Sundays, against the calendar of the standard library."""

from __future__ import annotations

import calendar
import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pendulum
import pytest
from pydantic import ValidationError

from upkeep.core.windows import (
    Authority,
    Cadence,
    When,
    Window,
    WindowKind,
    authority,
    calendar_period,
    covered_by,
    fits,
    freeze_of,
    frozen,
    held_slot,
    lateness,
    manual_period,
    next_freeze,
    superseded_by,
)
from upkeep.settings.approval import Freeze
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

DAILY = settings(ROOT / "config").maintenance.windows["daily"]
WEEKLY = settings(ROOT / "config").maintenance.windows["weekly"]
MONTHLY = Cadence(cron="0 2 * * 0#1", length_minutes=240)
DUE = datetime(2026, 7, 5, 2, tzinfo=UTC)
DAY, HOUR, SECOND, TICK = timedelta(days=1), timedelta(hours=1), timedelta(seconds=1), timedelta(microseconds=1)
#: The second Sunday of the month, 03:00.
SUNDAY = datetime(2026, 7, 12, 3, tzinfo=UTC)
CLOSED_RESPONSE = timedelta(hours=4)
INDIA = timezone(timedelta(hours=5, minutes=30))


def window(kind: WindowKind, deadline: datetime) -> Window:
    return Window("primary", "daily", kind, DUE, deadline, DUE - DAY, DUE, "run", "maintenance_daily")


def first_sunday(year: int, month: int) -> datetime:
    """By the standard library's calendar, at 02:00 UTC."""
    sundays = [week[calendar.SUNDAY] for week in calendar.monthcalendar(year, month)]
    return datetime(year, month, next(day for day in sundays if day), 2, tzinfo=UTC)


FIRST_SUNDAYS = [first_sunday(year, month) for year in range(2025, 2045) for month in range(1, 13)]


@pytest.mark.guide("X7", "holds")
@pytest.mark.parametrize("due", [DUE, datetime(2024, 3, 1, 2, tzinfo=UTC), datetime(2027, 1, 1, 2, tzinfo=UTC)])
def test_the_daily_period_is_the_day_before(due: datetime) -> None:
    """X7: 24 hours up to the due time, over months, leap days and years."""
    assert calendar_period(DAILY, due) == (due - DAY, due)


@pytest.mark.guide("X7", "holds")
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


@pytest.mark.guide("G1", "holds")
def test_the_length_is_from_due_to_deadline() -> None:
    """G1: 30 minutes."""
    assert DAILY.length == timedelta(minutes=30)


@pytest.mark.guide("X8", "holds")
def test_the_first_sunday_is_the_first_sunday_for_twenty_years() -> None:
    """X8: 240 months against the standard library, none left out and none too many."""
    last = FIRST_SUNDAYS[-1] + SECOND
    found = []
    while (last := MONTHLY.before(last)) >= FIRST_SUNDAYS[0]:
        found.append(last)
    assert len(found) == 240
    assert found[::-1] == FIRST_SUNDAYS


@pytest.mark.guide("X8", "holds")
def test_the_cron_line_of_the_guide_is_not_the_first_sunday() -> None:
    """X8: "1-7 and Sunday" is an OR, so that a Wednesday is due: what the test above would not let pass."""
    guide = Cadence(cron="0 2 1-7 * 0", length_minutes=240)
    assert guide.at_or_before(datetime(2026, 7, 1, 12, tzinfo=UTC)) == datetime(2026, 7, 1, 2, tzinfo=UTC)
    assert MONTHLY.at_or_before(datetime(2026, 7, 1, 12, tzinfo=UTC)) == datetime(2026, 6, 7, 2, tzinfo=UTC)


@pytest.mark.guide("X7", "holds")
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


def test_moments_as_airflow_gives_them() -> None:
    """A run's logical date is a pendulum DateTime, from which no plain datetime can be taken away."""
    due = pendulum.instance(DUE)
    assert held_slot(WEEKLY.model_copy(update={"cron": "0 2 * * 0"}), due) == DUE
    assert (DAILY.before(due), DAILY.at_or_before(due), DAILY.after(due)) == (DUE - DAY, DUE, DUE + DAY)
    assert type(DAILY.before(due)) is datetime


@pytest.mark.guide("X7", "holds")
@pytest.mark.parametrize("due", [DUE, DUE + TICK, DUE + timedelta(hours=5, microseconds=7), DUE - TICK])
def test_the_manual_period_is_as_long_as_the_calendars_and_ends_at_its_due_time(due: datetime) -> None:
    """X7: a run without a logical date has a defined period, to the microsecond."""
    assert manual_period(DAILY, due) == (due - DAY, due)


@pytest.mark.guide("X7", "holds")
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
    assert lateness(window(WindowKind.CALENDAR, deadline), deadline + after) == said


def test_a_manual_window_is_never_late() -> None:
    """Nobody promised when it would be done."""
    assert lateness(window(WindowKind.MANUAL, DUE), DUE + DAY) == ""


def test_the_period_of_a_window_is_its_start_and_end() -> None:
    """In this order, as the contract wants it."""
    assert window(WindowKind.CALENDAR, DUE).period == (DUE - DAY, DUE)


@pytest.mark.parametrize("cron", ["", "0 2 * *", "0 0 2 * * *", "@daily", "0 2 * * 0#6", "R 2 * * *", "0 2 31 4 *"])
def test_a_cron_line_that_has_no_calendar_is_refused(cron: str) -> None:
    """Too few or too many fields, nicknames, a sixth Sunday, a random minute, a 31st of April."""
    with pytest.raises(ValidationError, match="expected "):
        Cadence(cron=cron, length_minutes=30)


@pytest.mark.parametrize(
    ("moment", "after", "open_at"),
    [
        (DUE - TICK, DUE, None),
        (DUE, DUE + DAY, DUE),
        (DUE + TICK, DUE + DAY, DUE),
        (DUE + DAILY.length - TICK, DUE + DAY, DUE),
        (DUE + DAILY.length, DUE + DAY, None),
        (DUE + DAY - TICK, DUE + DAY, None),
        ((DUE + TICK).astimezone(INDIA), DUE + DAY, DUE),
    ],
)
def test_the_next_occurrence_and_the_open_one(moment: datetime, after: datetime, open_at: datetime | None) -> None:
    """Open from the due moment on, closed from the deadline on; the next one is never the one that just came."""
    assert DAILY.after(moment) == after
    assert DAILY.after(moment).utcoffset() == timedelta()
    assert DAILY.open_at(moment) == open_at


@pytest.mark.guide("X8", "holds")
def test_the_next_first_sunday_is_the_next_for_twenty_years() -> None:
    """X8: forwards too, from the moment itself and from just before it."""
    for due, following in itertools.pairwise(FIRST_SUNDAYS):
        assert MONTHLY.after(due) == MONTHLY.after(following - TICK) == following


# Superseded ---------------------------------------------------------------------------------------------------


def test_of_five_missed_sundays_exactly_the_latest_is_not_superseded() -> None:
    """Whatever the order in which their runs come, and until the very moment of the sixth."""
    missed = [SUNDAY + number * 7 * DAY for number in range(5)]
    for now in (missed[-1], missed[-1] + 3 * DAY, SUNDAY + 35 * DAY - TICK):
        for order in itertools.permutations(missed):
            assert [due for due in order if superseded_by(WEEKLY, due, now) is None] == [missed[-1]]
    assert all(superseded_by(WEEKLY, due, SUNDAY + 35 * DAY) == SUNDAY + 35 * DAY for due in missed)


# From N to T --------------------------------------------------------------------------------------------------


def allowed(
    now: datetime,
    kind: WindowKind,
    when: When,
    *,
    scheduled: bool = False,
    due: datetime = SUNDAY,
    cadence: Cadence = WEEKLY,
) -> Authority:
    """The authority of a plan drawn up at ``now``."""
    about = Window(
        "primary", "weekly", kind, due, due + cadence.length, due - 7 * DAY, due, "run", "maintenance_weekly"
    )
    return authority(cadence, about, now, scheduled=scheduled, when=when, closed_response=CLOSED_RESPONSE)


def closed(now: datetime, length: timedelta = WEEKLY.length) -> Authority:
    """What needs the override, by the table of docs/gate.md."""
    return Authority(now, now + CLOSED_RESPONSE + length, outside=True)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize(
    ("after", "is_open"),
    [
        (-TICK, False),
        (timedelta(), True),
        (TICK, True),
        (WEEKLY.length - TICK, True),
        (WEEKLY.length, False),
        (WEEKLY.length + TICK, False),
        (3 * DAY, False),
    ],
)
def test_a_scheduled_run_has_its_window_while_that_is_open(when: When, after: timedelta, is_open: bool) -> None:
    """From due to deadline, the deadline excluded, whatever the form's default says; late it needs the override."""
    now = SUNDAY + after
    own = Authority(SUNDAY, SUNDAY + WEEKLY.length, outside=False)
    assert allowed(now, WindowKind.CALENDAR, when, scheduled=True) == (own if is_open else closed(now))


@pytest.mark.parametrize(
    ("now", "following"),
    [
        (SUNDAY - 3 * DAY, SUNDAY),
        (SUNDAY - TICK, SUNDAY),
        (SUNDAY, SUNDAY + 7 * DAY),
        (SUNDAY + HOUR, SUNDAY + 7 * DAY),
        (SUNDAY + WEEKLY.length, SUNDAY + 7 * DAY),
        ((SUNDAY - HOUR).astimezone(INDIA), SUNDAY),
    ],
)
@pytest.mark.parametrize("due", [SUNDAY, SUNDAY - 7 * DAY, SUNDAY + 7 * DAY, SUNDAY + 3 * HOUR, SUNDAY + 700 * DAY])
def test_a_run_for_the_next_window_waits_for_the_next_due(now: datetime, following: datetime, due: datetime) -> None:
    """By the clock alone: the logical date that somebody gave the run, be it next Sunday's, opens nothing."""
    expected = Authority(following, following + WEEKLY.length, outside=False)
    assert allowed(now, WindowKind.MANUAL, When.NEXT, due=due) == expected


@pytest.mark.parametrize("after", [-TICK, timedelta(), HOUR, WEEKLY.length, 3 * DAY])
@pytest.mark.parametrize("due", [SUNDAY, SUNDAY + 7 * DAY])
def test_a_run_for_now_needs_the_override_even_in_an_open_window(after: timedelta, due: datetime) -> None:
    """Whoever triggers cannot open a window, neither with the date of this Sunday nor of the next."""
    now = SUNDAY + after
    assert allowed(now, WindowKind.MANUAL, When.NOW, due=due) == closed(now)
    assert allowed(now, WindowKind.MANUAL, When.NOW, due=due, scheduled=True) == closed(now)


@pytest.mark.parametrize("when", When)
@pytest.mark.parametrize("after", [timedelta(), HOUR, WEEKLY.length, 7 * DAY])
def test_a_backfill_of_a_window_still_open_opens_nothing(when: When, after: timedelta) -> None:
    """Its due time is the calendar's, its start is a person's."""
    now = SUNDAY + after
    assert allowed(now, WindowKind.CALENDAR, when) == closed(now)


def test_a_scheduled_run_off_the_calendar_in_force_needs_the_override() -> None:
    """Its due time is that of a cron line which config does not have any more."""
    due = SUNDAY - HOUR
    assert allowed(due, WindowKind.CALENDAR, When.NEXT, scheduled=True, due=due) == closed(due)


@pytest.mark.parametrize(("cadence", "hours"), [(DAILY, 4.5), (WEEKLY, 6), (MONTHLY, 8)])
def test_outside_the_calendar_the_time_is_the_response_and_the_length(cadence: Cadence, hours: float) -> None:
    """30 minutes, 2 hours, 4 hours, each after 4 hours for the answers."""
    end = SUNDAY + timedelta(hours=hours)
    assert allowed(SUNDAY, WindowKind.MANUAL, When.NOW, cadence=cadence) == Authority(SUNDAY, end, outside=True)


@pytest.mark.parametrize(
    ("now", "predicted", "fitting"),
    [
        (SUNDAY - HOUR - TICK, HOUR, True),
        (SUNDAY - HOUR, HOUR, False),
        (SUNDAY - TICK, timedelta(), True),
        (SUNDAY, timedelta(), False),
        (SUNDAY + TICK, -HOUR, False),
    ],
)
def test_what_starts_is_predicted_to_end_before_t(now: datetime, predicted: timedelta, fitting: bool) -> None:
    """Not at T but before it; no prediction makes up for a time that is over."""
    assert fits(now, predicted, SUNDAY) is fitting


# Freezes, the month, held slots -------------------------------------------------------------------------------


def test_a_freeze_holds_from_its_start_to_just_before_its_end() -> None:
    """Of two that overlap, the one that ends last says until when."""
    short = Freeze(start=SUNDAY, end=SUNDAY + DAY, reason="release")
    long = Freeze(start=(SUNDAY + HOUR).astimezone(INDIA), end=SUNDAY + 2 * DAY, reason="holidays")
    assert frozen([], SUNDAY) is None
    assert frozen([short, long], SUNDAY - TICK) is None
    assert frozen([short, long], SUNDAY) is short
    for freezes in ([short, long], [long, short]):
        assert frozen(freezes, SUNDAY + HOUR) is long
    assert frozen([short, long], SUNDAY + 2 * DAY - TICK) is long
    assert frozen([short, long], SUNDAY + 2 * DAY) is None


def test_the_next_freeze_is_the_first_that_has_not_begun() -> None:
    """One that holds is not the next one."""
    freezes = [Freeze(start=SUNDAY + days * DAY, end=SUNDAY + 9 * DAY, reason="release") for days in (3, 0, 1)]
    assert next_freeze(freezes, SUNDAY - TICK) == SUNDAY
    assert next_freeze(freezes, SUNDAY) == SUNDAY + DAY
    assert next_freeze(freezes, SUNDAY + 3 * DAY) is None
    assert next_freeze([], SUNDAY) is None


def test_a_calendars_window_that_is_due_in_a_freeze_changes_nothing_after_it_either() -> None:
    """A run by hand is held by what is in force when its changes would begin, and by nothing else."""
    short = Freeze(start=SUNDAY, end=SUNDAY + HOUR, reason="release")
    due = replace(window(WindowKind.CALENDAR, SUNDAY + HOUR), due=SUNDAY)
    by_hand = replace(due, kind=WindowKind.MANUAL)
    assert freeze_of([short], due, SUNDAY + 2 * HOUR) is short
    assert freeze_of([short], by_hand, SUNDAY + 2 * HOUR) is None
    assert freeze_of([short], by_hand, SUNDAY) is short
    assert freeze_of([short], replace(due, due=SUNDAY - HOUR), SUNDAY + HOUR / 2) is short
    assert freeze_of([], due, SUNDAY) is None


@pytest.mark.guide("X9", "holds")
def test_the_monthly_covers_the_weekly_of_first_sundays_and_of_no_other_for_twenty_years() -> None:
    """X9: over all Sundays from 2025 to 2044, by days of the month."""
    first, covered = datetime(2025, 1, 5, 3, tzinfo=UTC), []
    for number in range(1043):
        sunday = first + number * 7 * DAY
        due = covered_by(MONTHLY, Authority(sunday, sunday + WEEKLY.length, outside=False))
        assert due == (sunday - HOUR if sunday.day <= 7 else None)
        covered += [due] if due else []
    assert sunday == datetime(2044, 12, 25, 3, tzinfo=UTC)
    assert covered == FIRST_SUNDAYS


@pytest.mark.guide("X9", "holds")
def test_what_is_covered_to_the_microsecond() -> None:
    """X9: both times are half-open; outside the calendar and without a monthly window nothing is covered."""
    end, weekly = DUE + MONTHLY.length, Authority(DUE + HOUR, DUE + 3 * HOUR, outside=False)
    assert covered_by(MONTHLY, weekly) == DUE
    assert covered_by(MONTHLY, Authority(end, end + HOUR, outside=False)) is None
    assert covered_by(MONTHLY, Authority(end - TICK, end + HOUR, outside=False)) == DUE
    assert covered_by(MONTHLY, Authority(DUE - HOUR, DUE, outside=False)) is None
    assert covered_by(MONTHLY, Authority(DUE - HOUR, DUE + TICK, outside=False)) == DUE
    assert covered_by(MONTHLY, Authority(DUE - HOUR, end + HOUR, outside=False)) == DUE
    assert covered_by(MONTHLY, replace(weekly, outside=True)) is None
    assert covered_by(None, weekly) is None


@pytest.mark.guide("X9", "holds")
def test_a_monthly_window_that_is_due_in_a_freeze_covers_nothing() -> None:
    """X9: it plans nothing; one in which a freeze begins has planned before, and others are no matter."""
    end, weekly = DUE + MONTHLY.length, Authority(DUE + HOUR, DUE + 3 * HOUR, outside=False)
    over_it = [(DUE - HOUR, DUE + TICK), (DUE, DUE + TICK)]
    beside = [(DUE + TICK, DUE + 2 * TICK), (end - TICK, end + HOUR), (DUE - HOUR, DUE), (end, end + HOUR)]
    found = {
        (start, until): covered_by(MONTHLY, weekly, [Freeze(start=start, end=until, reason="release")])
        for start, until in (*over_it, *beside)
    }
    assert found == dict.fromkeys(over_it) | dict.fromkeys(beside, DUE)


@pytest.mark.parametrize(
    ("logical_date", "held"),
    [
        (None, None),
        (SUNDAY, SUNDAY),
        (SUNDAY.astimezone(INDIA), SUNDAY),
        (SUNDAY + 7 * DAY, SUNDAY + 7 * DAY),
        (SUNDAY + TICK, None),
        (SUNDAY - TICK, None),
        (SUNDAY + DAY, None),
    ],
)
def test_a_manual_run_holds_the_slot_of_the_occurrence_it_names(
    logical_date: datetime | None, held: datetime | None
) -> None:
    """To the microsecond: only then does Airflow skip its own run."""
    assert held_slot(WEEKLY, logical_date) == held
