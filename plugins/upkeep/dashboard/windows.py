"""The calendar's windows for people: what became of those that were due, what is missed, what comes next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from upkeep.areas.calendar.due import DueWindow, Reconciliation, State
from upkeep.areas.calendar.occurrences import Occurrence, first_of_each, occurrences
from upkeep.core.findings import Level
from upkeep.core.windows import CADENCES
from upkeep.settings.load import Settings, dag_name
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: How many days back the strip of verdicts reaches.
STRIP = timedelta(days=30)
#: Within this there is a next window of each cadence that has one.
AHEAD = timedelta(days=62)


@dataclass(frozen=True)
class PastWindow:
    """A window that was due: what became of it, and where it has a report what that said."""

    window: DueWindow
    level: Level | None
    headline: str
    report: tuple[str, str] | None

    @property
    def look(self) -> str:
        """The word that says it: its verdict where it was carried out, else what became of it."""
        return str(self.level or self.window.state)

    @property
    def label(self) -> str:
        """The whole of it in one line."""
        window = self.window
        said = f": {self.headline}" if self.headline else f": {window.reason}" if window.reason else ""
        state = f"{window.state}, {self.level}" if self.level else str(window.state)
        return f"{window.cadence} of {window.target}, due {window.due:%Y-%m-%d %H:%M} UTC, {state}{said}"


@dataclass(frozen=True)
class MissedWindow:
    """A missed window and what can be done about it."""

    window: DueWindow
    dag_id: str

    @property
    def command(self) -> str:
        """What carries out all that were missed of its cadence."""
        return f"python -m upkeep backfill {self.window.cadence} --target {self.window.target}"


@dataclass(frozen=True)
class Next:
    """The next window of a target and cadence."""

    target: str
    occurrence: Occurrence


def past(
    session: Session, targets: Sequence[str], found: Reconciliation | None, start: datetime, end: datetime
) -> list[PastWindow]:
    """The windows that were due in [start, end), in the state that they have now."""
    rows = session.rows(queries.load("dashboard/windows"), {"targets": list(targets), "start": start, "end": end})
    windows: dict[tuple[str, str, datetime], PastWindow] = {}
    for row in rows:
        window = _due(row)
        report = (row["dag_id"], row["run_id"]) if row["run_id"] else None
        level = Level(row["level"]) if row["level"] else None
        windows[window.slot] = PastWindow(window, level, row["headline"] or "", report)
    for window in (*found.new, *found.changed) if found else ():
        if window.target in targets and start <= window.due < end:
            known = windows.get(window.slot)
            windows[window.slot] = PastWindow(
                window, known.level if known else None, known.headline if known else "", known.report if known else None
            )
    return sorted(windows.values(), key=lambda one: (one.window.target, _rank(one), one.window.due))


def without_report(
    session: Session, targets: Sequence[str], found: Reconciliation | None, start: datetime, end: datetime
) -> list[DueWindow]:
    """The windows that were due in [start, end) and have no report, in the state that they have now."""
    rows = session.rows(queries.load("dashboard/windows"), {"targets": list(targets), "start": start, "end": end})
    reported = {(row["target"], row["cadence"], row["due"]) for row in rows if row["run_id"]}
    windows = {one.slot: one for one in (_due(row) for row in rows if not row["run_id"])}
    now = (*found.new, *found.changed) if found else ()
    windows |= {one.slot: one for one in now if one.target in targets and start <= one.due < end}
    return [one for one in windows.values() if one.slot not in reported]


def _due(row: Row) -> DueWindow:
    named = {name: row[name] for name in ("target", "cadence", "due", "deadline", "reason")}
    return DueWindow(**named, state=State(row["state"]))


def _rank(one: PastWindow) -> int:
    cadence = one.window.cadence
    return CADENCES.index(cadence) if cadence in CADENCES else len(CADENCES)


def missed(config: Settings, found: Reconciliation | None, targets: Sequence[str]) -> list[MissedWindow]:
    """Every window that is missed now, the newest first."""
    standing = [one for one in found.standing if one.state is State.MISSED and one.target in targets] if found else []
    standing.sort(key=lambda one: one.due, reverse=True)
    return [
        MissedWindow(window, dag_name(f"maintenance_{window.cadence}", window.target, config.targets))
        for window in standing
    ]


def ahead(config: Settings, targets: Sequence[str], start: datetime, end: datetime) -> list[Next]:
    """The windows that will be due in [start, end), in their order."""
    maintenance = config.maintenance
    found = [
        Next(target, one)
        for target in targets
        for one in occurrences(maintenance.cadences(target), maintenance.freezes, start, end)
    ]
    return sorted(found, key=lambda one: (one.occurrence.due, one.target))


def next_of_each(config: Settings, targets: Sequence[str], now: datetime) -> list[Next]:
    """The first window to come of each target and cadence, the next one first."""
    maintenance = config.maintenance
    found = [
        Next(target, one)
        for target in targets
        for one in first_of_each(maintenance.cadences(target), maintenance.freezes, now, now + AHEAD)
    ]
    return sorted(found, key=lambda one: (one.occurrence.due, one.target, one.occurrence.cadence))


@dataclass(frozen=True)
class Strip:
    """One target's windows of one cadence within the last days, the oldest first."""

    target: str
    cadence: str
    windows: tuple[PastWindow, ...]


def strips(windows: Iterable[PastWindow]) -> list[Strip]:
    """A row of verdicts for each target and cadence."""
    rows: dict[tuple[str, str], list[PastWindow]] = {}
    for one in windows:
        rows.setdefault((one.window.target, one.window.cadence), []).append(one)
    return [Strip(target, cadence, tuple(mine)) for (target, cadence), mine in rows.items()]


@dataclass(frozen=True)
class Day:
    """A day of a month: what was due, and what will be."""

    day: date
    past: tuple[PastWindow, ...]
    next: tuple[Next, ...]

    @property
    def empty(self) -> bool:
        """Whether nothing is due."""
        return not self.past and not self.next


@dataclass(frozen=True)
class Month:
    """A month of the calendar, with its neighbours as ``2026-12``; empty where there is none."""

    first: date
    days: tuple[Day, ...]

    @property
    def start(self) -> datetime:
        """Its first moment."""
        return _midnight(self.first)

    @property
    def end(self) -> datetime:
        """The first moment after it."""
        return _midnight(_following(self.first))

    @property
    def before(self) -> str:
        """The month before it."""
        return f"{self.first - timedelta(days=1):%Y-%m}"

    @property
    def after(self) -> str:
        """The month after it."""
        return f"{_following(self.first):%Y-%m}"

    def filled(self, gone: Iterable[PastWindow], to_come: Iterable[Next]) -> Month:
        """The same month with its windows."""
        gone, to_come = list(gone), list(to_come)
        length = (_following(self.first) - self.first).days
        days = [self.first + timedelta(days=number) for number in range(length)]
        return Month(
            self.first,
            tuple(
                Day(
                    day,
                    tuple(one for one in gone if one.window.due.date() == day),
                    tuple(one for one in to_come if one.occurrence.due.date() == day),
                )
                for day in days
            ),
        )


#: The months that a page shows: what config and ledger can hold.
EARLIEST, LATEST = date(2020, 1, 1), date(2099, 12, 1)


def month(text: str | None, now: datetime) -> Month:
    """The month that ``2026-11`` names, or the one that is now. Raises ValueError for any other text."""
    if text is None:
        return Month(now.astimezone(UTC).date().replace(day=1), ())
    wanted = f"found the month {text[:40]!r}, expected one from {EARLIEST:%Y-%m} to {LATEST:%Y-%m}, such as 2026-11"
    try:
        first = datetime.strptime(text, "%Y-%m").replace(tzinfo=UTC).date()
    except ValueError:
        raise ValueError(wanted) from None
    if not EARLIEST <= first <= LATEST:
        raise ValueError(wanted)
    return Month(first, ())


def _following(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
