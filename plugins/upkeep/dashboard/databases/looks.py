"""The looks of a target's windows at its tables, indexes and statements, as the ledger holds them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from upkeep.areas.calendar.due import GRACE
from upkeep.areas.database.sizes import GROWTH_BASE
from upkeep.core.findings import Level
from upkeep.dashboard.page import report_href
from upkeep.dashboard.sharing import settled_rows
from upkeep.settings.load import Settings
from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: Looks that are read; the newest one is compared with one so long before it, else with the oldest far enough from it.
LOOKS, BACK = 40, timedelta(days=7)
#: How far back a finding about a row is looked for.
_FINDINGS = timedelta(days=100)

Numbers = Mapping[tuple[str, str], float]


@dataclass(frozen=True)
class Looked:
    """The newest look, what it is compared with (None: nothing is old enough), and all of them, the newest first."""

    newest: Row
    earlier: Row | None
    all: tuple[Row, ...]
    stale: bool

    @property
    def at(self) -> datetime:
        """When the newest look was taken."""
        moment: datetime = self.newest["started_at"]
        return moment

    @property
    def report(self) -> str:
        """Where the report of its window is; empty where there is none."""
        return report_href(self.newest["dag_id"], self.newest["run_id"]) if self.newest["reported"] else ""

    @property
    def days(self) -> float:
        """Days between the two looks; 0 without an earlier one."""
        return (self.at - self.earlier["started_at"]) / timedelta(days=1) if self.earlier else 0.0


@dataclass(frozen=True)
class Found:
    """What the newest looks found wrong with a row, and where it stands."""

    level: Level
    subject: str
    href: str


def looked(session: Session, config: Settings, target: str, cadence: str, name: str, now: datetime) -> Looked | None:
    """The looks of that name; None where no window has seen anything by it."""
    asked = {"target": target, "cadence": cadence, "name": name, "windows": LOOKS}
    rows = session.rows(queries.load("dashboard/looks"), asked)
    if not rows:
        return None
    newest = rows[0]
    apart = [(row, newest["started_at"] - row["started_at"]) for row in rows[1:]]
    before = [row for row, by in apart if by >= BACK] or [row for row, by in apart if by >= GROWTH_BASE][-1:]
    rhythm = config.maintenance.cadences(target)[cadence]
    expected = rhythm.at_or_before(now - rhythm.length - GRACE)
    return Looked(newest, before[0] if before else None, tuple(rows), newest["due"] < expected)


def numbers(session: Session, look: Row | None) -> Numbers:
    """(metric, subject) → value of one look, which has the samples that it was written with for good."""
    if not look:
        return {}
    rows = settled_rows(session, queries.load("ledger/samples_of_steps"), {"step_ids": [look["id"]]})
    return {(row["metric"], row["subject"]): row["value"] for row in rows}


def findings(session: Session, target: str, keys: Iterable[str], now: datetime) -> dict[str, Found]:
    """Key → what is wrong by the newest look of that finding's name."""
    asked = {"target": target, "keys": list(keys), "after": now - _FINDINGS}
    return {
        row["key"]: Found(Level(row["level"]), row["subject"], report_href(row["dag_id"], row["run_id"], row["key"]))
        for row in session.rows(queries.load("dashboard/findings_of"), asked)
    }


def statements(session: Session, looks: Iterable[Row]) -> list[Row]:
    """What some looks said of slow statements, the oldest look first."""
    return session.rows(queries.load("dashboard/statements"), {"steps": [row["id"] for row in looks]})


def moment(text: Any) -> datetime | None:
    """A moment of a snapshot."""
    return datetime.fromisoformat(text) if isinstance(text, str) else None
