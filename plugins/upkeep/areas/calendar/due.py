"""What became of each window of the calendar, whether or not Airflow made a run for it: pure, the clock is an argument.

Airflow keeps no trace of a window that was due while a DAG was paused or nothing ran (apache/airflow #1191, #60768).
So the windows come from the calendar, and each ends as one of done, late, missed, waived and frozen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from upkeep.core.units import utc
from upkeep.core.windows import Cadence, TimeRange, frozen


class State(StrEnum):
    """``due`` and ``open`` are on the way; a ``missed`` window may still become late or waived; the others stay."""

    DUE = "due"
    OPEN = "open"
    DONE = "done"
    LATE = "late"
    MISSED = "missed"
    WAIVED = "waived"
    FROZEN = "frozen"


#: States that nothing changes any more.
SETTLED = frozenset({State.DONE, State.LATE, State.WAIVED, State.FROZEN})
#: A window that used all of its time writes its report after its deadline; within this it still counts as done.
GRACE = timedelta(minutes=15)

_INSTANT = timedelta(microseconds=1)

Slot = tuple[str, str, datetime]


@dataclass(frozen=True)
class DueWindow:
    """One occurrence of one target's calendar, and what became of it."""

    target: str
    cadence: str
    due: datetime
    deadline: datetime
    state: State = State.DUE
    reason: str = ""

    @property
    def slot(self) -> Slot:
        """What makes it one: no two have the same."""
        return self.target, self.cadence, self.due

    @property
    def key(self) -> str:
        """The key of the finding that says it was missed, and of the entry that waives it, for this target alone."""
        return f"calendar:missed:{self.target}:{self.cadence}:{self.due:%Y-%m-%dT%H:%MZ}"


@dataclass(frozen=True)
class CalendarRun:
    """The calendar's run of a window, as the ledger has it: when its first task ran, when its report was written."""

    run_id: str
    opened_at: datetime
    closed_at: datetime | None = None


@dataclass(frozen=True)
class Watched:
    """From when on the windows of one target and cadence count, and up to when they have been looked through.

    ``earlier`` is what config says now where that is before ``since``: those windows count too.
    """

    target: str
    cadence: str
    since: datetime
    until: datetime
    earlier: datetime | None = None


@dataclass(frozen=True)
class CadenceRules:
    """One cadence as config has it. Freezes stop one that ``changes`` things; ``patience`` is how long a late run may
    wait for people before it counts as stranded.
    """

    cadence: Cadence
    changes: bool
    patience: timedelta


@dataclass(frozen=True)
class WindowFacts:
    """What else decides: runs of the calendar, runs by hand that hold a window's slot, freezes, and who waives what.

    ``waiver`` says who waived a missed window and why, or nothing.
    """

    runs: Mapping[Slot, CalendarRun]
    slot_holders: Mapping[Slot, str]
    freezes: tuple[TimeRange, ...]
    waiver: Callable[[DueWindow], str]


def occurred(watched: Watched, rhythm: CadenceRules, now: datetime) -> list[DueWindow]:
    """The windows in (until, now], which have become due since they were looked through last; none before ``since``."""
    cadence = rhythm.cadence
    dues = [*cadence.between(watched.earlier, watched.since)] if watched.earlier else []
    dues += cadence.between(max(watched.until + _INSTANT, watched.since), now + _INSTANT)
    return [DueWindow(watched.target, watched.cadence, due, due + cadence.length) for due in dues]


def judged(window: DueWindow, rhythm: CadenceRules, beside: WindowFacts, now: datetime) -> DueWindow:
    """The window in the state that it has at ``now``; a settled one stays as it is."""
    if window.state in SETTLED:
        return window
    state, reason = _state(window, rhythm, beside, now)
    if window.state is State.MISSED and state in (State.DUE, State.OPEN, State.MISSED):
        # Missed is missed until a run of its own has written a report, or people waive it.
        return replace(window, reason=reason) if state is State.OPEN else window
    return replace(window, state=state, reason=reason)


def _state(window: DueWindow, rhythm: CadenceRules, beside: WindowFacts, now: datetime) -> tuple[State, str]:
    run, over = beside.runs.get(window.slot), now >= window.deadline
    # A freeze that is written down afterwards does not undo a miss.
    freeze = frozen(beside.freezes, window.due) if rhythm.changes and window.state is not State.MISSED else None
    if freeze and (over or (run and run.closed_at)):
        seen = "its run collected evidence" if run and run.closed_at else "no run collected evidence"
        return State.FROZEN, f"{freeze.reason} (until {utc(freeze.end)}); {seen}"
    if run is not None:
        return _of_run(window, run, rhythm, now)
    if not over:
        return State.DUE, ""
    if waiver := beside.waiver(window):
        return State.WAIVED, waiver
    if holder := beside.slot_holders.get(window.slot):
        return State.MISSED, f"the run by hand {holder} holds its slot, so that Airflow made no run of its own"
    return State.MISSED, "no run began before its deadline"


def _of_run(window: DueWindow, run: CalendarRun, rhythm: CadenceRules, now: datetime) -> tuple[State, str]:
    if run.closed_at is not None:
        in_time = run.opened_at < window.deadline and window.state is not State.MISSED
        if in_time and run.closed_at <= window.deadline + GRACE:
            return State.DONE, ""
        begun = "before" if run.opened_at < window.deadline else "after"
        return State.LATE, f"its run began {begun} its deadline and wrote its report at {utc(run.closed_at)}"
    if now > max(window.deadline, run.opened_at) + rhythm.patience + GRACE:
        return State.MISSED, f"its run {run.run_id} began at {utc(run.opened_at)} and never wrote a report"
    return State.OPEN, f"its run {run.run_id} began at {utc(run.opened_at)}"


@dataclass(frozen=True)
class Reconciliation:
    """What a look through the calendar found: windows that are new, and those whose state or reason has changed."""

    new: tuple[DueWindow, ...]
    changed: tuple[DueWindow, ...]
    standing: tuple[DueWindow, ...]


def reconcile(
    watched: Iterable[Watched],
    unsettled: Iterable[DueWindow],
    rhythms: Mapping[tuple[str, str], CadenceRules],
    beside: WindowFacts,
    now: datetime,
) -> Reconciliation:
    """Compare the calendar with the runs. ``standing`` are the windows that are still due, open or missed.

    A target or cadence that config no longer names has no rhythm: what was not settled then is missed, and says why.
    """
    new, changed, standing = [], [], []
    for one in watched:
        rhythm = rhythms.get((one.target, one.cadence))
        if rhythm is not None:
            new += [judged(window, rhythm, beside, now) for window in occurred(one, rhythm, now)]
    for before in unsettled:
        rhythm = rhythms.get((before.target, before.cadence))
        after = judged(before, rhythm, beside, now) if rhythm is not None else _removed(before)
        if after != before:
            changed.append(after)
        standing.append(after)
    standing = [window for window in (*standing, *new) if window.state not in SETTLED]
    return Reconciliation(tuple(new), tuple(changed), tuple(standing))


def _removed(window: DueWindow) -> DueWindow:
    if window.state is State.MISSED:
        return window
    return replace(window, state=State.MISSED, reason="its target is no longer in config")
