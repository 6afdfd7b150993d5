"""The ledger as the pages read it: in read-only transactions with short clocks, since a person is waiting.

To connect takes longer than to read a small page, so a few connections are kept between pages, none of them for long: a
Connection that was changed in Airflow is soon taken up, and that a server was restarted is noticed before it is asked.
"""

from __future__ import annotations

import logging
import select
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg
from psycopg.pq import TransactionStatus

from upkeep.dashboard.sharing import SharedRows, SharingSession
from upkeep.settings.maintenance import Sql
from upkeep.wires import database, queries

log = logging.getLogger(__name__)

CLOCKS = Sql(connect_timeout_seconds=5, statement_timeout_seconds=10, lock_timeout_seconds=2)
#: Connections that an api-server keeps between pages, how long each may be unused, and how old it may become: seconds.
KEPT, UNUSED, OLDEST = 4, 60.0, 300.0


class LedgerAway(Exception):
    """The ledger cannot be asked; the cause is in the log, the Connection's name on the page."""


@dataclass
class _Kept:
    """A session that is open, since when, and when it was used last; seconds of the monotonic clock."""

    session: database.Session
    since: float
    used: float

    def serves(self, oldest: float) -> bool:
        """Whether it may be used again. A server that ends a connection says so: then there is something to read."""
        now, connection = time.monotonic(), self.session.connection
        if connection.closed or now - self.since > oldest or now - self.used > UNUSED:
            return False
        line = select.poll()
        line.register(connection.fileno(), select.POLLIN)
        return not line.poll(0)


class LedgerSessions:
    """Sessions with the ledger, and statements of ``include/sql`` in one of their own; ``keep`` connections at most."""

    def __init__(self, connect: database.Connect, connection_id: str, keep: int = 0, oldest: float = OLDEST) -> None:
        self.connect, self.connection_id, self.keep, self.oldest = connect, connection_id, keep, oldest
        self.shared = SharedRows()
        self._idle: deque[_Kept] = deque()  # threads share it: its ends are atomic

    def _sound(self, take: Callable[[], _Kept]) -> _Kept | None:
        """One that may be used again; those before it that may not are closed."""
        with suppress(IndexError):  # there is none, or another thread was faster
            while not (kept := take()).serves(self.oldest):
                kept.session.connection.close()
            return kept
        return None

    def _open(self) -> _Kept:
        if kept := self._sound(self._idle.pop):
            return kept
        try:
            session, now = database.opened(self.connect), time.monotonic()
        except Exception as error:
            # Whatever stands between us and a session (no such Connection, DNS, a refused login) is the same here.
            log.exception("the ledger cannot be reached (Connection %r)", self.connection_id)
            raise LedgerAway from error
        return _Kept(session, now, now)

    @contextmanager
    def session(self, *, read_only: bool = True) -> Iterator[database.Session]:
        """A session of one transaction, which shares rows where it only reads.

        Raises LedgerAway when there is none or the server refuses.
        """
        kept = self._open()
        try:
            kept.session.connection.read_only = read_only
            with database.transaction(kept.session, CLOCKS) as session:
                session.rows(queries.load("dashboard/planner"))
                yield SharingSession(session.connection, session.notices, self.shared) if read_only else session
        except psycopg.Error as error:
            log.warning("the ledger cannot be asked: %s", database.explain(error, self.connection_id))
            raise LedgerAway from error
        finally:
            self._give_back(kept)

    def _give_back(self, kept: _Kept) -> None:
        """Keep it for the next page where it is sound and there is room, else close it."""
        connection = kept.session.connection
        sound = not connection.closed and connection.info.transaction_status is TransactionStatus.IDLE
        if not sound or len(self._idle) >= self.keep:
            connection.close()
            return
        kept.session.notices.clear()
        kept.used = time.monotonic()
        self._idle.append(kept)
        if longest := self._sound(self._idle.popleft):
            self._idle.appendleft(longest)

    def close(self) -> None:
        """Close what is kept."""
        with suppress(IndexError):
            while True:
                self._idle.pop().session.connection.close()

    def rows(self, statement: str, **parameters: object) -> list[database.Row]:
        """The rows of one statement. Raises LedgerAway."""
        with self.session() as session:
            return session.rows(queries.load(statement), parameters)
