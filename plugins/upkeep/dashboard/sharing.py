"""Rows that pages share while the ledger has not changed: read once, then for everybody who looks.

Shared are rows of a few statements that read what is only ever added to (steps, findings, reports), and of windows, of
which a repeated run changes its id. Each is under the very parameters that it was asked with: whose targets they are is
among them, and no right of a visitor is in a row.
What people do (acknowledge, waive, answer) is in other tables, which are read each time, and so is all that a form
rests on. The mark is the ledger's own, so every api-server sees a change with the next page.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from threading import Lock
from typing import Any

from upkeep.wires import queries
from upkeep.wires.database import Row, Session

#: What is shared.
STATEMENTS = (
    "alerts/died",
    "alerts/newest_findings",
    "alerts/since",
    "dashboard/guide",
    "dashboard/history",
    "dashboard/trend_names",
)
#: Characters of all that is kept together; for how long rows are shared at most: seconds. The mark would miss what a
#: transaction writes that is open while three hundred later steps are recorded, and some windows that are opened again.
MOST, LONGEST = 2_000_000, 60.0
#: Rows of a stretch that is over are kept so long, whatever comes meanwhile: seconds.
SETTLED = 3600.0
#: What a row takes beside the characters of its values: its mapping, and an object for each of them.
PER_ROW = 400


@dataclass(frozen=True)
class _Read:
    """Rows, as of which mark they are, until when they hold (monotonic clock), how large they are with their key."""

    mark: Row
    until: float
    rows: list[Row]
    size: int


class SharedRows:
    """The rows of an api-server's pages; those that were not used for longest go first."""

    def __init__(self, most: int = MOST, longest: float = LONGEST) -> None:
        self.most, self.longest = most, longest
        self._reads: OrderedDict[tuple[str, str], _Read] = OrderedDict()
        self._lock = Lock()

    @property
    def size(self) -> int:
        """Characters of all that is kept, keys included; a row counts for PER_ROW beside its values."""
        return sum(one.size for one in self._reads.values())

    def get(
        self, key: tuple[str, str], mark: Row, read: Callable[[], list[Row]], longest: float | None = None
    ) -> list[Row]:
        """The rows under a key as of this mark, read where they are not known, in a list of the caller's own."""
        with self._lock:
            known = self._reads.get(key)
            if known and known.mark == mark and time.monotonic() < known.until:
                self._reads.move_to_end(key)
                return list(known.rows)
        at, rows = time.monotonic(), read()
        size = sum(map(len, key)) + sum(PER_ROW + sum(len(str(value)) for value in row.values()) for row in rows)
        with self._lock:
            for old in [one for one, known in self._reads.items() if at >= known.until]:
                del self._reads[old]
            self._reads[key] = _Read(mark, at + (self.longest if longest is None else longest), rows, size)
            self._reads.move_to_end(key)
            while self._reads and self.size > self.most:
                self._reads.popitem(last=False)
        return list(rows)


@cache
def _statements() -> frozenset[str]:
    return frozenset(queries.load(name) for name in STATEMENTS)


@dataclass
class SharingSession(Session):
    """A session that looks whether the ledger has changed before it reads what is shared."""

    shared: SharedRows | None = None
    mark: Row | None = None

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of one statement, shared ones where nothing has changed since."""
        if self.shared is None or statement not in _statements():
            return super().rows(statement, parameters)
        if self.mark is None:
            self.mark = super().row(queries.load("dashboard/mark_of_ledger"))
        key = _key(statement, parameters)
        return self.shared.get(key, self.mark, lambda: super(SharingSession, self).rows(statement, parameters))

    def settled(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        """The rows of a statement about a stretch that is over, shared for an hour whatever has come since."""
        if self.shared is None:
            return super().rows(statement, parameters)
        key = _key(statement, parameters)
        return self.shared.get(key, {}, lambda: super(SharingSession, self).rows(statement, parameters), SETTLED)


def settled_rows(session: Session, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
    """The same of any session; one that shares nothing reads them."""
    return (
        session.settled(statement, parameters)
        if isinstance(session, SharingSession)
        else session.rows(statement, parameters)
    )


def _key(statement: str, parameters: Mapping[str, Any] | None) -> tuple[str, str]:
    return statement, repr(sorted((parameters or {}).items()))
