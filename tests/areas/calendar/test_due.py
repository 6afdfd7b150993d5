"""What became of a window, from the calendar and the runs beside it: every way in which one can end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from upkeep.areas.calendar.due import (
    GRACE,
    SETTLED,
    CadenceRules,
    CalendarRun,
    DueWindow,
    State,
    Watched,
    WindowFacts,
    judged,
    reconcile,
)
from upkeep.areas.calendar.overdue import standings
from upkeep.areas.calendar.reconcile import LedgerState
from upkeep.core.windows import Cadence
from upkeep.settings.approval import Freeze
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

DUE = datetime(2026, 11, 1, 3, tzinfo=UTC)
HOUR, MINUTE, WEEK = timedelta(hours=1), timedelta(minutes=1), timedelta(weeks=1)
WEEKLY = CadenceRules(Cadence(cron="0 3 * * 0", length_minutes=120), True, 26 * HOUR)
DAILY = CadenceRules(Cadence(cron="0 2 * * *", length_minutes=30), False, timedelta(minutes=30))
WINDOW = DueWindow("primary", "weekly", DUE, DUE + 2 * HOUR)
HOLIDAYS = Freeze(start=DUE - HOUR, end=DUE + HOUR, reason="Holidays")


def beside(
    run: CalendarRun | None = None, holder: str = "", freezes: tuple[Freeze, ...] = (), waived: str = ""
) -> WindowFacts:
    """What stands beside WINDOW."""
    runs = {WINDOW.slot: run} if run else {}
    return WindowFacts(runs, {WINDOW.slot: holder} if holder else {}, freezes, lambda _: waived)


def ran(opened: timedelta, closed: timedelta | None = None) -> CalendarRun:
    """The calendar's run, by how long after the due time it began and wrote its report."""
    return CalendarRun("scheduled__x", DUE + opened, None if closed is None else DUE + closed)


@pytest.mark.parametrize(
    ("there", "after", "state", "reason"),
    [
        (beside(), MINUTE, State.DUE, ""),
        (beside(), 2 * HOUR, State.MISSED, "no run began before its deadline"),
        (beside(holder="manual__y"), 2 * HOUR, State.MISSED, "the run by hand manual__y holds its slot"),
        (beside(waived="Ann (Technical Lead): moved"), 2 * HOUR, State.WAIVED, "Ann (Technical Lead): moved"),
        (beside(waived="Ann: moved"), HOUR, State.DUE, ""),
        (beside(ran(MINUTE)), HOUR, State.OPEN, "scheduled__x began at 2026-11-01 03:01"),
        (beside(ran(MINUTE)), 28 * HOUR + GRACE, State.OPEN, "scheduled__x began"),
        (beside(ran(MINUTE)), 28 * HOUR + GRACE + MINUTE, State.MISSED, "never wrote a report"),
        (beside(ran(MINUTE, HOUR)), HOUR, State.DONE, ""),
        (beside(ran(MINUTE, 2 * HOUR + GRACE)), 3 * HOUR, State.DONE, ""),
        (beside(ran(MINUTE, 2 * HOUR + GRACE + MINUTE)), 3 * HOUR, State.LATE, "began before its deadline"),
        (beside(ran(2 * HOUR, 2 * HOUR + MINUTE)), 3 * HOUR, State.LATE, "began after its deadline"),
        (beside(ran(4 * WEEK, 4 * WEEK + HOUR)), 5 * WEEK, State.LATE, "report at 2026-11-29 04:00"),
        (beside(freezes=(HOLIDAYS,)), HOUR, State.DUE, ""),
        (
            beside(freezes=(HOLIDAYS,)),
            2 * HOUR,
            State.FROZEN,
            "Holidays (until 2026-11-01 04:00 UTC); no run collected",
        ),
        (beside(ran(MINUTE, HOUR), freezes=(HOLIDAYS,)), HOUR, State.FROZEN, "its run collected evidence"),
        (beside(ran(MINUTE), freezes=(HOLIDAYS,)), HOUR, State.OPEN, "began"),
    ],
)
def test_each_way_in_which_a_window_stands_or_ends(
    there: WindowFacts, after: timedelta, state: State, reason: str
) -> None:
    """From nothing to done, late, missed, waived or frozen, at the very moments where one becomes the other."""
    found = judged(WINDOW, WEEKLY, there, DUE + after)
    assert (found.state, found.slot) == (state, WINDOW.slot)
    assert reason in found.reason
    assert bool(found.reason) == bool(reason)


def test_a_freeze_stops_no_daily_window() -> None:
    """It changes nothing, so that nothing is frozen: without a run it is missed."""
    daily = replace(WINDOW, cadence="daily", deadline=DUE + timedelta(minutes=30))
    assert judged(daily, DAILY, beside(freezes=(HOLIDAYS,)), DUE + HOUR).state is State.MISSED


@pytest.mark.parametrize("state", sorted(SETTLED))
def test_what_has_ended_stays_as_it_is(state: State) -> None:
    """Cleared, run again, frozen or waived afterwards: a settled window is not judged again."""
    ended = replace(WINDOW, state=state, reason="as it was")
    there = beside(ran(WEEK), freezes=(HOLIDAYS,), waived="Ann: late")
    assert judged(ended, WEEKLY, there, DUE + 3 * WEEK) == ended


def test_a_missed_window_becomes_late_or_waived_and_nothing_else() -> None:
    """A run that is at it is named; a freeze or a report that is early does not make it unmissed."""
    missed = judged(WINDOW, WEEKLY, beside(), DUE + 3 * HOUR)
    late = DUE + WEEK
    at_it = judged(missed, WEEKLY, beside(ran(WEEK)), late)
    assert at_it.state is State.MISSED
    assert "its run scheduled__x began at 2026-11-08" in at_it.reason
    assert judged(missed, WEEKLY, beside(freezes=(HOLIDAYS,)), late) == missed
    assert judged(missed, WEEKLY, beside(ran(WEEK, WEEK + HOUR)), late + HOUR).state is State.LATE
    assert judged(missed, WEEKLY, beside(ran(MINUTE, HOUR)), late).state is State.LATE
    assert judged(missed, WEEKLY, beside(waived="Ann: moved"), late).state is State.WAIVED


def test_a_freeze_that_is_written_down_after_a_miss_leaves_the_ways_out_of_it() -> None:
    """Carried out late or waived it has its end all the same."""
    missed = judged(WINDOW, WEEKLY, beside(), DUE + 3 * HOUR)
    late = DUE + WEEK + HOUR
    ended = {State.LATE: beside(ran(WEEK, WEEK + HOUR), freezes=(HOLIDAYS,))}
    ended[State.WAIVED] = beside(freezes=(HOLIDAYS,), waived="Ann: moved")
    assert [judged(missed, WEEKLY, there, late).state for there in ended.values()] == list(ended)


def test_windows_come_from_the_calendar_without_any_run() -> None:
    """Paused over three Sundays: three rows, each missed; looked through again, none comes twice."""
    since = DUE - HOUR
    rhythms = {("primary", "weekly"): WEEKLY}
    now = DUE + 2 * WEEK + 3 * HOUR
    found = reconcile([Watched("primary", "weekly", since, since)], (), rhythms, beside(), now)
    assert [(one.due, one.state) for one in found.new] == [(DUE + week * WEEK, State.MISSED) for week in range(3)]
    assert found.standing == found.new
    again = reconcile([Watched("primary", "weekly", since, now)], found.new, rhythms, beside(), now + HOUR)
    assert (again.new, again.changed, again.standing) == ((), (), found.new)


def test_a_window_at_the_very_beginning_counts_and_an_earlier_beginning_adds_the_rest() -> None:
    """``since`` is included; moved back in config, the windows before it come once, those after it not again."""
    rhythms = {("primary", "weekly"): WEEKLY}
    first = reconcile([Watched("primary", "weekly", DUE, DUE - WEEK)], (), rhythms, beside(), DUE + MINUTE)
    assert [one.due for one in first.new] == [DUE]
    moved = Watched("primary", "weekly", DUE, DUE + MINUTE, earlier=DUE - 2 * WEEK)
    assert [one.due for one in reconcile([moved], (), rhythms, beside(), DUE + HOUR).new] == [
        DUE - 2 * WEEK,
        DUE - WEEK,
    ]


def test_a_clock_that_went_back_brings_nothing() -> None:
    """Looked through until a later moment than now: no window is new."""
    watched = Watched("primary", "weekly", DUE, DUE + 10 * WEEK)
    assert reconcile([watched], (), {("primary", "weekly"): WEEKLY}, beside(), DUE + WEEK).new == ()


def test_a_target_that_is_gone_leaves_no_window_open() -> None:
    """What was not settled is missed and says why; it is not looked through further."""
    there = beside(ran(MINUTE))
    found = reconcile([Watched("primary", "weekly", DUE, DUE)], [WINDOW], {}, there, DUE + WEEK)
    assert found.new == ()
    (gone,) = found.changed
    assert (gone.state, gone.reason) == (State.MISSED, "its target is no longer in config")
    assert reconcile([], [gone], {}, there, DUE + WEEK).changed == ()


@pytest.mark.parametrize(("after", "word"), [(MINUTE, "ok"), (MINUTE + timedelta(seconds=1), "overdue")])
def test_a_run_has_a_minute_to_begin(after: timedelta, word: str) -> None:
    """As it is due the scheduler makes it; from the second minute on somebody has to look."""
    known = LedgerState((Watched("primary", "weekly", DUE, DUE - WEEK),), {}, (), {}, {})
    found = {one.cadence: one.word for one in standings(known, {}, settings(ROOT / "config"), DUE + after)}
    assert found == {"daily": "unknown", "weekly": word, "monthly": "unknown"}
