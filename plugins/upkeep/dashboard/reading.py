"""The ledger as the pages read it: in read-only transactions with short clocks, since a person is waiting.

To connect takes longer than to read a small page, so a few connections are kept between pages. One that is older than
OLDEST is not used again, so a Connection that was changed in Airflow is soon taken up; one that nobody uses is ended by
the server. That a server has ended one is noticed before it is asked, that its host is gone within PATIENCE.
"""

from __future__ import annotations

import json
import logging
import select
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock

import psycopg
from psycopg.pq import TransactionStatus

from upkeep.dashboard.sharing import LONGEST_SETTLED, MOST_SETTLED, SharedRows, SharingSession
from upkeep.settings.maintenance import Sql
from upkeep.wires import database, queries

log = logging.getLogger(__name__)

CLOCKS = Sql(connect_timeout_seconds=5, statement_timeout_seconds=10, lock_timeout_seconds=2)
#: Connections that an api-server keeps between pages, how long each may be unused, and how old it may become: seconds.
KEPT, UNUSED, OLDEST = 4, 60.0, 300.0
#: libpq's parameters for them. A host that vanishes sends nothing, and our clocks are on it: what is not acknowledged
#: within 10 s is given up, and one that owes us an answer is probed after 10 s.
PATIENCE = {"tcp_user_timeout": 10_000, "keepalives_idle": 10, "keepalives_interval": 5}


class LedgerAway(Exception):
    """The ledger cannot be asked; the cause is in the log, the Connection's name on the page."""


@dataclass(eq=False)
class _Kept:
    """A session that is open, since when, and when it was used last; seconds of the monotonic clock."""

    session: database.Session
    since: float
    used: float

    def serves(self, oldest: float, unused: float) -> bool:
        """Whether it may be used again. A server that ends a connection says so: then there is something to read."""
        now, connection = time.monotonic(), self.session.connection
        if connection.closed or now - self.since > oldest or now - self.used > unused:
            return False
        line = select.poll()
        line.register(connection.fileno(), select.POLLIN)
        return not line.poll(0)


class LedgerSessions:
    """Sessions with the ledger, and statements of ``include/sql`` in one of their own; ``keep`` connections at most."""

    def __init__(
        self,
        connect: database.Connect,
        connection_id: str,
        keep: int = 0,
        oldest: float = OLDEST,
        unused: float = UNUSED,
    ) -> None:
        self.connect, self.connection_id, self.keep = connect, connection_id, keep
        self.oldest, self.unused = oldest, unused
        self.shared, self.over = SharedRows(), SharedRows(MOST_SETTLED, LONGEST_SETTLED)
        self._idle: list[_Kept] = []
        self._lock = Lock()  # threads share the list

    def _prune(self) -> None:
        """Close those that may not be used again. The caller has the lock."""
        for one in [one for one in self._idle if not one.serves(self.oldest, self.unused)]:
            self._idle.remove(one)
            one.session.connection.close()

    def _open(self) -> _Kept:
        with self._lock:
            self._prune()
            if self._idle:
                return self._idle.pop()
        try:
            session, now = self._connected(), time.monotonic()
        except Exception as error:
            # Whatever stands between us and a session (no such Connection, DNS, a refused login) is the same here.
            log.exception("the ledger cannot be reached (Connection %r)", self.connection_id)
            raise LedgerAway from error
        return _Kept(session, now, now)

    def _connected(self) -> database.Session:
        """A new session. One to be kept is ended by the server when nobody has used it, though no page comes."""
        session = database.opened(self.connect)
        if not self.keep:
            return session
        # A tenth later than we would take it up again: or a page might find it just as it is ended.
        clock = {"idle_session_timeout": f"{max(1, round(self.unused * 1100))}ms"}
        try:
            session.rows(queries.load("wires/pin"), {"settings": json.dumps(clock), "local": False})
            session.connection.commit()  # a rollback would take it back
        except BaseException:
            session.connection.close()
            raise
        return session

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
                yield self._sharing(session) if read_only else session
        except psycopg.Error as error:
            log.warning("the ledger cannot be asked: %s", database.explain(error, self.connection_id))
            raise LedgerAway from error
        finally:
            self._give_back(kept)

    def _sharing(self, session: database.Session) -> SharingSession:
        return SharingSession(session.connection, session.notices, self.shared, self.over)

    def _give_back(self, kept: _Kept) -> None:
        """Keep it for the next page where it is sound and there is room, else close it."""
        connection, kept.used = kept.session.connection, time.monotonic()
        kept.session.notices.clear()
        idle = connection.info.transaction_status is TransactionStatus.IDLE
        with self._lock:
            self._prune()
            if idle and len(self._idle) < self.keep and kept.serves(self.oldest, self.unused):
                self._idle.append(kept)
                return
        connection.close()

    def close(self) -> None:
        """Close what is kept."""
        with self._lock:
            while self._idle:
                self._idle.pop().session.connection.close()

    def rows(self, statement: str, **parameters: object) -> list[database.Row]:
        """The rows of one statement. Raises LedgerAway."""
        with self.session() as session:
            return session.rows(queries.load(statement), parameters)
