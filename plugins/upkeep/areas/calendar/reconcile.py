"""Compare the calendar with the runs that the ledger knows, and keep what became of each window.

Every daily window does so for all targets: the daily DAG of one of them may be the one that is paused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from upkeep.areas.calendar.due import (
    CadenceRules,
    CalendarRun,
    DueWindow,
    Reconciliation,
    Slot,
    State,
    Watched,
    WindowFacts,
    reconcile,
)
from upkeep.core.findings import Level
from upkeep.core.windows import CHANGING, WindowKind
from upkeep.ledger.acknowledgements import in_force
from upkeep.settings.calendar import CalendarSettings
from upkeep.settings.maintenance import Maintenance
from upkeep.wires import queries
from upkeep.wires.database import Session


@dataclass(frozen=True)
class LedgerState:
    """What the ledger knows: calendars, targets that are gone, windows that are not settled, and runs beside them."""

    watched: tuple[Watched, ...]
    removed: Mapping[str, datetime]
    unsettled: tuple[DueWindow, ...]
    runs: Mapping[Slot, CalendarRun]
    slot_holders: Mapping[Slot, str]

    def compare(self, config: CalendarSettings, now: datetime) -> Reconciliation:
        """The calendar beside the runs, as of ``now``."""
        maintenance = config.maintenance
        waiver = partial(_waiver, config, now)
        beside = WindowFacts(self.runs, self.slot_holders, maintenance.freezes, waiver)
        watched = [replace(one, earlier=_earlier(one, maintenance)) for one in self.watched]
        return reconcile(watched, self.unsettled, rhythms(maintenance), beside, now)


def rhythms(maintenance: Maintenance) -> dict[tuple[str, str], CadenceRules]:
    """(target, cadence) → its calendar; only the daily window changes nothing."""
    answer = timedelta(minutes=maintenance.approval.closed_response_minutes)
    return {
        (target, name): CadenceRules(cadence, name in CHANGING, cadence.length + answer * (name in CHANGING))
        for target in maintenance.targets
        for name, cadence in maintenance.cadences(target).items()
    }


def read_known(session: Session) -> LedgerState:
    """Everything that ``Known.compare`` needs."""
    runs, holders = {}, {}
    for row in session.rows(queries.load("calendar/runs")):
        slot = row["target"], row["cadence"], row["due"]
        if row["kind"] == WindowKind.CALENDAR:
            runs[slot] = CalendarRun(row["run_id"], row["opened_at"], row["closed_at"])
        else:
            holders[slot] = row["run_id"]
    return LedgerState(
        tuple(
            Watched(row["target"], row["cadence"], row["since"], row["until"])
            for row in session.rows(queries.load("calendar/watched"))
        ),
        removed_targets(session),
        tuple(
            DueWindow(**{**row, "state": State(row["state"])})
            for row in session.rows(queries.load("calendar/unsettled"))
        ),
        runs,
        holders,
    )


def removed_targets(session: Session) -> dict[str, datetime]:
    """Target that config no longer names → when that was found."""
    rows = session.rows(queries.load("calendar/watched"))
    return {row["target"]: row["removed_at"] for row in rows if row["removed_at"]}


def counted_since(session: Session, maintenance: Maintenance, target: str, cadence: str, now: datetime) -> datetime:
    """From when on the windows of a target and cadence count: config's ``since``, or the first that ran in time.

    Who asks first begins the calendar, at ``now`` where neither is known.
    """
    given = maintenance.targets[target].since
    session.rows(queries.load("calendar/watch"), {"target": target, "cadence": cadence, "since": given or now})
    since: datetime = session.row(queries.load("calendar/since"), {"target": target, "cadence": cadence})["since"]
    return min(since, given or since)


def waiver_of(session: Session, target: str, cadence: str, due: datetime) -> str:
    """By whom a window was waived, and why; empty for one that was not."""
    rows = session.rows(queries.load("calendar/waiver"), {"target": target, "cadence": cadence, "due": due})
    return str(rows[0]["reason"]) if rows else ""


def bring_up_to_date(session: Session, config: CalendarSettings, now: datetime) -> Reconciliation:
    """Reconcile all targets and write what is new or has changed, in the session's transaction."""
    session.rows(queries.load("calendar/lock"))
    maintenance = config.maintenance
    for target, cadence in rhythms(maintenance):
        counted_since(session, maintenance, target, cadence, now)
    known = read_known(session)
    found = known.compare(config, now)
    _write(session, "calendar/add", found.new)
    _write(session, "calendar/change", found.changed)
    for one in known.watched:
        gone = None if one.target in maintenance.targets else known.removed.get(one.target, now)
        row = {"target": one.target, "cadence": one.cadence, "until": now, "removed_at": gone}
        since = _earlier(one, maintenance) or one.since
        session.rows(queries.load("calendar/advance"), row | {"since": since})
    return found


def _earlier(one: Watched, maintenance: Maintenance) -> datetime | None:
    target = maintenance.targets.get(one.target)
    return target.since if target and target.since and target.since < one.since else None


def _waiver(config: CalendarSettings, now: datetime, window: DueWindow) -> str:
    """Who waived a missed window, and why: an entry in force of ``exceptions.yaml`` by somebody who holds a role."""
    for one in in_force(config.exceptions, now):
        if one.covers(window.key, Level.WARNING) and _roles(config.maintenance, one.by):
            return f"{one.by} ({_roles(config.maintenance, one.by)}): {one.reason}"
    return ""


def _roles(maintenance: Maintenance, person: str) -> str:
    return ", ".join(role.title for name, role in maintenance.roles.items() if person in maintenance.holders(name))


def _write(session: Session, statement: str, windows: Iterable[DueWindow]) -> None:
    rows = [asdict(window) | {"state": window.state.value} for window in windows]
    if rows:
        session.rows(queries.load(statement), {name: [row[name] for row in rows] for name in rows[0]})
