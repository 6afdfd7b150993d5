"""Rows that pages share while the ledger has nothing new of their target: read once, then for everybody who looks.

Shared are rows of a few statements that read what is only ever added to (steps, findings, reports), and of windows, of
which a repeated run changes its id. Each is under the very parameters that it was asked with: whose targets they are is
among them, and no right of a visitor is in a row.
What is over, such as last week as the watch saw it, is shared apart and for longer: ``settled_rows``.
What people do (acknowledge, waive, answer) is in other tables, which are read each time, and so is all that a form
rests on. The marks are the ledger's own, one for each target, so every api-server sees a change with the next page.
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

#: What is shared until the ledger has something new of the targets that it is asked about.
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
MOST, LONGEST = 4_000_000, 300.0
#: The same of rows about what is over, which are kept apart so that they take no room from the others.
MOST_SETTLED, LONGEST_SETTLED = 4_000_000, 3600.0
#: What a row takes beside the characters of its values: its mapping, and an object for each of them.
PER_ROW = 400


@dataclass(frozen=True)
class _Read:
    """Rows, as of which mark and moment (monotonic clock) they are, and how large they are with their key."""

    mark: object
    at: float
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

    def get(self, key: tuple[str, str], mark: object, read: Callable[[], list[Row]]) -> list[Row]:
        """The rows under a key as of this mark, read where they are not known, in a list of the caller's own."""
        with self._lock:
            known = self._reads.get(key)
            if known and known.mark == mark and time.monotonic() - known.at < self.longest:
                self._reads.move_to_end(key)
                return list(known.rows)
        at, rows = time.monotonic(), read()
        size = sum(map(len, key)) + sum(PER_ROW + sum(len(str(value)) for value in row.values()) for row in rows)
        with self._lock:
            for old in [one for one, known in self._reads.items() if at - known.at >= self.longest]:
                del self._reads[old]
            self._reads[key] = _Read(mark, at, rows, size)
            self._reads.move_to_end(key)
            while self._reads and self.size > self.most:
                self._reads.popitem(last=False)
        return list(rows)


@cache
def _statements() -> frozenset[str]:
    return frozenset(queries.load(name) for name in STATEMENTS)


@dataclass
class SharingSession(Session):
    """A session that looks whether the ledger has something new before it reads what is shared.

    ``marks``: target → its mark; without one there was nothing of it for long.
    """

    shared: SharedRows | None = None
    over: SharedRows | None = None
    marks: Mapping[str, Row] | None = None

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """The rows of one statement, shared ones where nothing has changed since."""
        if self.shared is None or statement not in _statements() or not parameters:
            return super().rows(statement, parameters)
        if self.marks is None:
            self.marks = {row["target"]: row for row in super().rows(queries.load("dashboard/mark_of_ledger"))}
        return self._of(self.shared, self.marks.get(parameters["target"]), statement, parameters)

    def settled(self, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
        """Rows about a stretch that is over, shared for an hour whatever this ledger has got since."""
        if self.over is None:
            return super().rows(statement, parameters)
        return self._of(self.over, super().row(queries.load("ledger/identity")), statement, parameters)

    def _of(self, shared: SharedRows, mark: object, statement: str, parameters: Mapping[str, Any] | None) -> list[Row]:
        key = statement, repr(sorted((parameters or {}).items()))
        return shared.get(key, mark, lambda: super(SharingSession, self).rows(statement, parameters))


def settled_rows(session: Session, statement: str, parameters: Mapping[str, Any]) -> list[Row]:
    """Rows about a stretch that is over: shared ones, or read where the session shares nothing."""
    if isinstance(session, SharingSession):
        return session.settled(statement, parameters)
    return session.rows(statement, parameters)
