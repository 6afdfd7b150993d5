"""Twenty simulated years of pauses, outages, kills and clock jumps: what becomes of each window; and how long it takes.

The reconciler is the product's own, pure as it is; calendar and ledger are lists in memory. A ledger that is handed a
window twice, or the end of one that has ended, stops the bench.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bench.measure import Result, size
from upkeep.areas.calendar.due import (
    GRACE,
    SETTLED,
    CadenceRules,
    CalendarRun,
    DueWindow,
    Slot,
    State,
    Watched,
    WindowFacts,
    reconcile,
)
from upkeep.core.windows import Cadence

GOAL_SECONDS = 2.0
YEARS = size(20, 1)
TARGETS = ("first", "second", "third")
SEED = 20261129
START = datetime(2027, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
RHYTHMS = {
    "daily": CadenceRules(Cadence(cron="0 2 * * *", length_minutes=30), False, timedelta(minutes=30)),
    "weekly": CadenceRules(Cadence(cron="0 3 * * 0", length_minutes=120), True, 26 * timedelta(hours=1)),
    "monthly": CadenceRules(Cadence(cron="0 2 * * 0#1", length_minutes=240), True, 28 * timedelta(hours=1)),
}
#: How often it happens, of a day or a run: a DAG is paused, everything stops, a run is killed, the
#: clock of the reconciler jumps, a missed window is backfilled or waived; and how often a pause or an outage ends.
PAUSE, OUTAGE, KILL, JUMP, BACKFILL, WAIVE, END = 0.02, 0.01, 0.05, 0.02, 0.3, 0.02, 0.1


def run() -> Result:
    """Simulate, then reconcile ten years of twenty targets at once."""
    simulation = Simulation(random.Random(SEED))
    end = START.replace(year=START.year + YEARS)
    simulation.live(end)
    expected = {
        (target, name, due)
        for target in TARGETS
        for name, rhythm in RHYTHMS.items()
        for due in rhythm.cadence.between(START, end)
    }
    rows = simulation.ledger.rows
    wrong = [slot for slot, row in rows.items() if slot in expected and not simulation.is_right(row)]
    missing, extra = expected - set(rows), [slot for slot in rows if slot not in expected and slot[2] < end]
    took = _once_over(size(10, 1), size(20, 2))
    ended = Counter(row.state.value for slot, row in rows.items() if slot in expected)
    return Result(
        f"{YEARS} simulated years × {len(TARGETS)} targets, windows without their end; 10 years × 20 targets at once",
        f"{len(wrong) + len(missing) + len(extra)} of {len(expected)}; {took:.1f} s",
        f"none; at most {GOAL_SECONDS:g} s",
        not (wrong or missing or extra) and took <= GOAL_SECONDS,
        (f"seed {SEED}: {', '.join(f'{count} {state}' for state, count in sorted(ended.items()))}",),
    )


def _once_over(years: int, targets: int) -> float:
    """Seconds in which everything is missed at once."""
    names = [f"target_{number}" for number in range(targets)]
    watched = [Watched(target, name, START, START - DAY) for target in names for name in RHYTHMS]
    rhythms = {(target, name): rhythm for target in names for name, rhythm in RHYTHMS.items()}
    beside = WindowFacts({}, {}, (), lambda _: "")
    before = time.perf_counter()
    reconcile(watched, (), rhythms, beside, START.replace(year=START.year + years))
    return time.perf_counter() - before


@dataclass
class FakeLedger:
    """The rows as the real one would hold them; it takes a window once, and no end back."""

    rows: dict[Slot, DueWindow] = field(default_factory=dict)
    runs: dict[Slot, CalendarRun] = field(default_factory=dict)
    unsettled: dict[Slot, DueWindow] = field(default_factory=dict)
    until: datetime = START - timedelta(microseconds=1)

    def add(self, window: DueWindow) -> None:
        """A window that has become due."""
        assert window.slot not in self.rows, f"{window} came twice"
        self._keep(window)

    def change(self, window: DueWindow) -> None:
        """What became of it."""
        before = self.rows[window.slot].state
        assert before not in SETTLED, f"{window} had ended as {before}"
        self._keep(window)

    def _keep(self, window: DueWindow) -> None:
        self.rows[window.slot] = self.unsettled[window.slot] = window
        if window.state in SETTLED:
            del self.unsettled[window.slot]


@dataclass
class Simulation:
    """Day by day: who is paused, what runs, and a reconciler wherever a daily window runs."""

    dice: random.Random
    ledger: FakeLedger = field(default_factory=FakeLedger)
    paused: set[tuple[str, str]] = field(default_factory=set)
    waived: set[Slot] = field(default_factory=set)
    down: bool = False

    def live(self, end: datetime) -> None:
        """Until the end, and a month more in which everything is up and looked through."""
        day = START
        while day < end:
            self._day(day)
            day += DAY
        self.down, self.paused = False, set()
        for more in range(35):
            self._reconcile(end + more * DAY + timedelta(hours=12))

    def _day(self, day: datetime) -> None:
        self.down ^= self._happens(END if self.down else OUTAGE)
        for target in TARGETS:
            for name, rhythm in RHYTHMS.items():
                one = (target, name)
                self.paused ^= {one} if self._happens(END if one in self.paused else PAUSE) else set()
                for due in rhythm.cadence.between(day, day + DAY):
                    if not self.down and one not in self.paused:
                        self._run((*one, due), due + timedelta(minutes=self.dice.choice((0, 1, 5, 45))))
        self._late(day + timedelta(hours=9))
        if not self.down and any((target, "daily") not in self.paused for target in TARGETS):
            jump = timedelta(days=self.dice.randint(-3, 0)) if self._happens(JUMP) else timedelta()
            self._reconcile(day + timedelta(hours=2, minutes=1) + jump)

    def _late(self, now: datetime) -> None:
        """People backfill and waive what is missed."""
        for slot in [slot for slot, row in self.ledger.unsettled.items() if row.state is State.MISSED][-20:]:
            if self._happens(BACKFILL) and slot not in self.ledger.runs:
                self._run(slot, now)
            elif self._happens(WAIVE):
                self.waived.add(slot)

    def _run(self, slot: Slot, at: datetime) -> None:
        length = RHYTHMS[slot[1]].cadence.length
        closed = None if self._happens(KILL) else at + self.dice.random() * length * 1.5
        self.ledger.runs[slot] = CalendarRun("run", at, closed)

    def _happens(self, share: float) -> bool:
        return self.dice.random() < share

    def _reconcile(self, now: datetime) -> None:
        ledger = self.ledger
        seen = {
            slot: run if run.closed_at is None or run.closed_at <= now else CalendarRun(run.run_id, run.opened_at)
            for slot, run in list(ledger.runs.items())[-500:]
            if run.opened_at <= now
        }
        watched = [Watched(target, name, START, ledger.until) for target in TARGETS for name in RHYTHMS]
        rhythms = {(target, name): rhythm for target in TARGETS for name, rhythm in RHYTHMS.items()}
        waiver = {True: "ann: moved", False: ""}
        beside = WindowFacts(seen, {}, (), lambda window: waiver[window.slot in self.waived])
        found = reconcile(watched, [*ledger.unsettled.values()], rhythms, beside, now)
        for window in found.new:
            ledger.add(window)
        for window in found.changed:
            ledger.change(window)
        ledger.until = max(ledger.until, now)

    def is_right(self, row: DueWindow) -> bool:
        """Whether a window ended as its run did, by what the simulation itself knows."""
        run = self.ledger.runs.get(row.slot)
        if row.state is State.WAIVED:
            return row.slot in self.waived
        if run is None or run.closed_at is None:
            return row.state is State.MISSED
        in_time = run.opened_at < row.deadline and run.closed_at <= row.deadline + GRACE
        return row.state is (State.DONE if in_time else State.LATE)
