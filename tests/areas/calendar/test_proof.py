"""The proof of a calendar: overlaps and the rule for each, what freezes touch, what is refused and when first."""

from __future__ import annotations

import calendar
import itertools
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis
from hypothesis import strategies as st

from upkeep.areas.calendar.proof import RULES, Proof, prove
from upkeep.core.windows import Cadence
from upkeep.settings.approval import Freeze
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

SHIPPED: Mapping[str, Cadence] = settings(ROOT / "config").maintenance.windows
START, END = datetime(2027, 1, 1, tzinfo=UTC), datetime(2047, 1, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
#: The first Sunday of January 2027, at midnight, and the one after it.
SUNDAY = datetime(2027, 1, 3, tzinfo=UTC)
ONE = {"primary": SHIPPED}


def proof(*freezes: Freeze, years: int = 20, **changed: tuple[str, int]) -> Proof:
    """The shipped calendar with some cadences changed: name=(cron, minutes)."""
    cadences = {name: Cadence(cron=cron, length_minutes=minutes) for name, (cron, minutes) in changed.items()}
    return prove({"primary": {**SHIPPED, **cadences}}, freezes, START, START.replace(year=START.year + years))


def freeze(start: datetime, end: datetime) -> Freeze:
    """A freeze with a reason."""
    return Freeze(start=start, end=end, reason="holidays")


@pytest.mark.guide("X8", "holds")
@pytest.mark.guide("X9", "holds")
def test_the_shipped_calendar_fits_for_twenty_years() -> None:
    """X8, X9: each first Sunday, and no other day, has all three windows, and each overlap is resolved."""
    (found,) = proof().calendars
    sundays = [
        datetime(year, month, next(week[6] for week in calendar.monthcalendar(year, month) if week[6]), 2, tzinfo=UTC)
        for year in range(2027, 2047)
        for month in range(1, 13)
    ]
    assert proof().problems == ()
    assert [each.due for each in found.of("monthly")] == sundays
    assert [each.later.due for each in found.overlaps_of("weekly", "monthly")] == [each + HOUR for each in sundays]
    assert {each.later.due for each in found.overlaps_of("daily", "monthly")} == set(sundays)
    assert found.overlaps_of("daily", "weekly") == []
    assert [(each.due, each.covered_by) for each in found.of("weekly") if not each.changes] == [
        (each + HOUR, each) for each in sundays
    ]
    assert not any(each.changes for each in found.of("daily"))


def test_leap_years_have_their_day() -> None:
    """A window on each 29 February, 7,305 days in twenty years, and the leap years by name."""
    made = proof()
    daily = [each.due for each in made.calendars[0].of("daily")]
    assert len(daily) == len(set(daily)) == (END - START).days == 7305
    assert [each.year for each in daily if (each.month, each.day) == (2, 29)] == [2028, 2032, 2036, 2040, 2044]
    assert made.leap_years == [2028, 2032, 2036, 2040, 2044]
    assert prove(ONE, (), START, datetime(2028, 1, 1, tzinfo=UTC)).leap_years == []
    assert prove(ONE, (), START, datetime(2028, 1, 1, 1, tzinfo=UTC)).leap_years == [2028]


def test_the_time_is_half_open() -> None:
    """A window that is due at the start is in, one at the end is not."""
    due = SUNDAY + 2 * HOUR
    (found,) = prove(ONE, (), due, due + 28 * DAY).calendars  # the next first Sunday is in February
    assert [each.due for each in found.of("monthly")] == [due]
    assert found.of("daily")[0].due == due
    assert found.of("daily")[-1].due == due + 27 * DAY


CRONS = st.sampled_from(
    ["0 2 * * *", "0 3 * * 0", "0 2 * * 0#1", "30 23 * * 6", "0 1 1 * *", "0 22 * * 1,3", "0 0 L * *"]
)


@hypothesis(max_examples=40)
@given(
    st.fixed_dictionaries({name: st.tuples(CRONS, st.sampled_from([1, 61, 240, 1440])) for name in SHIPPED}),
)
def test_every_overlap_is_found_and_resolved(given_: Mapping[str, tuple[str, int]]) -> None:
    """Against all pairs of a year; a weekly window is covered exactly where a monthly one is open meanwhile."""
    made = proof(years=1, **given_)
    (found,) = made.calendars
    pairs = {
        (earlier, later)
        for earlier, later in itertools.combinations(found.occurrences, 2)
        if later.due < earlier.deadline
    }
    assert {(each.earlier, each.later) for each in found.overlaps} == pairs
    assert all(each.cadences in RULES for each in found.overlaps)
    met = {each for pair in pairs if {one.cadence for one in pair} == {"weekly", "monthly"} for each in pair}
    for each in found.of("weekly"):
        outside = each.covered_by and not START <= each.covered_by < made.end
        assert (each.covered_by is not None) == (each in met or bool(outside))
    alone = [each for each in found.of("weekly") if not each.covered_by]
    assert [problem.setting for problem in made.problems] == ([] if alone else ["windows.weekly.cron"])


# Freezes ------------------------------------------------------------------------------------------------------


def test_a_freeze_touches_the_windows_that_would_change_something() -> None:
    """Due in it: frozen, its end excluded; begun before it: changes until it begins; the daily window reads on."""
    first = SUNDAY + 3 * HOUR
    made = proof(freeze(first - HOUR, first + 7 * DAY), freeze(first + 7 * DAY + HOUR, first + 8 * DAY))
    (found,) = made.calendars
    weekly, monthly = found.of("weekly"), found.of("monthly")
    assert [each.due for each in found.occurrences if each.freeze] == [monthly[0].due, weekly[0].due]
    assert weekly[0].note == "frozen: holidays (until 2027-01-10 03:00 UTC); evidence only"
    assert weekly[1].freeze is None
    assert weekly[1].frozen_from == first + 7 * DAY + HOUR
    assert weekly[1].changes
    assert weekly[1].note == "changes until 2027-01-10 04:00 UTC, when a freeze begins"
    assert [each.due for each in found.occurrences if each.frozen_from] == [weekly[1].due]
    assert made.problems == ()


def test_a_frozen_monthly_window_does_nobodys_changes() -> None:
    """The freeze is over when the weekly one is due: that one does its own, and the two overlap without harm."""
    monthly, weekly = SUNDAY + 2 * HOUR, SUNDAY + 3 * HOUR
    for frozen, changing in (((), [monthly]), ((freeze(SUNDAY, SUNDAY + 2.5 * HOUR),), [weekly])):
        made = proof(*frozen)
        there = [each for each in made.calendars[0].occurrences if each.due in (monthly, weekly)]
        assert [each.due for each in there if each.changes] == changing
        assert made.problems == ()


def test_a_monthly_window_in_which_a_freeze_begins_still_does_the_weekly_changes() -> None:
    """It plans before the freeze: two windows that plan on one day would ask people twice."""
    monthly, weekly = SUNDAY + 2 * HOUR, SUNDAY + 3 * HOUR
    made = proof(freeze(SUNDAY + 4 * HOUR, SUNDAY + 5 * HOUR))
    (found,) = made.calendars
    there = {each.due: each for each in found.occurrences if each.due in (monthly, weekly)}
    assert (there[monthly].changes, there[monthly].frozen_from) == (True, SUNDAY + 4 * HOUR)
    assert (there[weekly].changes, there[weekly].covered_by) == (False, monthly)
    assert (found.same_day, made.problems) == ([], ())


# Refused ------------------------------------------------------------------------------------------------------


def test_a_window_that_is_too_long_in_some_year_is_refused_with_that_date() -> None:
    """Christmas Eve, or a Sunday in December: next to each other in 2029, and not in the year that loading sees."""
    made = proof(weekly=("0 2,22 24 12 0", 241))
    assert [str(each) for each in made.problems] == [
        "windows.weekly.length_minutes: found 241, with which the weekly window of 2029-12-23 22:00 is still open when "
        "the weekly one is due, first on 2029-12-24 02:00 UTC, expected one that is over by then"
    ]
    assert proof(weekly=("0 2,22 24 12 0", 240)).problems == ()


def test_a_weekly_window_that_never_has_its_own_changes_is_refused() -> None:
    """A monthly one that comes every Sunday does all of them."""
    made = proof(monthly=("0 2 * * 0", 61), years=1)
    assert [str(each) for each in made.problems] == [
        "windows.weekly.cron: found '0 3 * * 0', each of whose 52 windows overlaps a monthly one ('0 2 * * 0') that "
        "does its changes, first on 2027-01-03 03:00 UTC, expected weekly windows that have changes of their own"
    ]
    assert proof(monthly=("0 2 * * 0", 60), years=1).problems == ()  # over when the weekly one is due
    one = freeze(SUNDAY, SUNDAY + 2.5 * HOUR)  # a month that is frozen once makes it no better
    assert [each.setting for each in proof(one, monthly=("0 2 * * 0", 61), years=1).problems] == ["windows.weekly.cron"]


def test_a_problem_of_one_targets_own_windows_names_it() -> None:
    """The other's are the shared ones, which fit."""
    own = {**SHIPPED, "monthly": Cadence(cron="0 2 * * 0", length_minutes=120)}
    made = prove({"a": SHIPPED, "b": own}, (), START, END)
    assert [each.setting for each in made.problems] == ["windows.weekly.cron of b"]


def test_two_plans_on_one_day_are_told() -> None:
    """A weekly window after the monthly one of the same Sunday asks people again."""
    (found,) = proof(weekly=("0 7 * * 0", 120), years=1).calendars
    assert [each.date() for each in found.same_day] == [each.due.date() for each in found.of("monthly")]
    assert proof().calendars[0].same_day == []


# Several targets ----------------------------------------------------------------------------------------------


def test_targets_with_the_same_cadences_have_one_calendar_and_take_turns() -> None:
    """Three at once from the first first Sunday on: the weekly ones there are covered and do not count."""
    made = prove(dict.fromkeys(("a", "b", "c"), SHIPPED), (), START, END)
    assert [each.targets for each in made.calendars] == [("a", "b", "c")]
    assert made.queue is not None
    assert (made.queue.count, made.queue.first) == (3, SUNDAY + 2 * HOUR)
    assert made.problems == ()
    assert proof().queue is None


def test_targets_with_other_cadences_are_counted_where_they_meet() -> None:
    """The other's weekly window begins when the first one's ends: windows are half-open; a minute sooner they meet."""
    for minute, count in ((0, 0), (-1, 2)):
        at = SUNDAY + 5 * HOUR + minute * timedelta(minutes=1)
        other = {**SHIPPED, "weekly": Cadence(cron=f"{at.minute} {at.hour} * * 0", length_minutes=120)}
        del other["monthly"]
        made = prove({"a": {"weekly": SHIPPED["weekly"]}, "b": other}, (), START, END)
        assert (made.queue.count if made.queue else 0) == count
        assert [each.targets for each in made.calendars] == [("a",), ("b",)]


def test_more_targets_than_minutes_are_refused() -> None:
    """One is changed at a time: 120 windows of two hours can each have a minute, 121 cannot."""
    weekly = {"weekly": SHIPPED["weekly"]}
    assert prove({f"t{number}": weekly for number in range(120)}, (), START, END).problems == ()
    made = prove({f"t{number}": weekly for number in range(121)}, (), START, END)
    assert [str(each) for each in made.problems] == [
        "targets: found 121 whose windows share 120 minutes, in which one after the other is changed, first on "
        "2027-01-03 03:00 UTC, expected at least a minute for each"
    ]
