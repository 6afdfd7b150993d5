"""Guards around a mutation: what it does to others, seen every poll; it is cancelled when it does too much."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import psycopg

from upkeep.settings.approval import Guards
from upkeep.settings.maintenance import Maintenance
from upkeep.wires import database, queries
from upkeep.wires.database import Row, Session, error_words

#: When a statement is first looked at, in seconds; each pause is twice the one before, up to poll_seconds.
_FIRST_LOOK = 0.1


@dataclass
class Watched:
    """One statement under guard. ``stopped`` says why it was cancelled; the wait is known to the poll's grain."""

    stopped: str = ""
    lock_wait_ms: int = 0


class Guard:
    """Looks at the target over a session of its own while ``pid`` works.

    Replica lag is judged by our own clock: a standby lags by the age of the oldest position that we saw and it has not
    replayed. PostgreSQL's ``replay_lag`` counts too, but says nothing while a replay is paused.
    """

    def __init__(self, session: Session, config: Maintenance, pid: int, say: Callable[[str], None]) -> None:
        self.session = session
        self.limits: Guards = config.guards
        self.clocks = config.sql
        self.pid = pid
        self.say = say
        self._positions: deque[tuple[float, int]] = deque(maxlen=10_000)
        self._first: int | None = None
        self._quiet_until = 0.0

    def wait_until_quiet(self, over: Callable[[], bool]) -> str:
        """Wait for lag and connections to fall, ``patience_seconds`` at most and not when ``over``; why in vain."""
        began = time.monotonic()
        while why := self._busy():
            waited = time.monotonic() - began
            if waited >= self.limits.patience_seconds or over():
                return f"{why}; waited {waited:.0f} s"
            self.say(f"Waiting: {why}")
            time.sleep(self.limits.poll_seconds)
        return ""

    @contextmanager
    def over(self, working: Session) -> Iterator[Watched]:
        """Watch the statement that the caller runs meanwhile on ``working``; cancel that session's own PID only.

        At the end nothing is under way any more: no late cancel can hit the session's next statement.
        """
        watched, ended = Watched(), threading.Event()
        thread = threading.Thread(target=self._watch, args=(working, watched, ended), daemon=True)
        thread.start()
        try:
            yield watched
        finally:
            ended.set()
            thread.join()

    def _watch(self, working: Session, watched: Watched, ended: threading.Event) -> None:
        last = time.monotonic()
        pause = min(_FIRST_LOOK, self.limits.poll_seconds)
        while not ended.wait(pause):
            now, pause = time.monotonic(), min(2 * pause, self.limits.poll_seconds)
            try:
                row = self._look()
                if pause == self.limits.poll_seconds:
                    self._tell_progress()
                watched.lock_wait_ms += round((now - last) * 1000) if row["waiting"] else 0
                why = self._too_much(row)
                self._quiet_until = 0.0 if why else now + self.limits.poll_seconds
            except Exception as error:  # whatever it is: a statement that nobody watches must not go on
                self._quiet_until = 0.0
                why = f"the guard lost sight of the target ({error_words(error)[:200]})"
            last = now
            if why and not ended.is_set():
                if not watched.stopped:
                    self.say(f"Cancelling: {why}")
                watched.stopped = watched.stopped or why
                with suppress(psycopg.Error):  # a session that cannot be cancelled has ended; its statement says how
                    working.cancel()

    def _tell_progress(self) -> None:
        with database.transaction(self.session, self.clocks):
            running = self.session.rows(queries.load("gate/apply/progress"), {"pid": self.pid})
        for at in running:
            self.say(f"Progress: {at['phase']}, {at['done']} of {at['total']} pages")

    def _look(self) -> Row:
        with database.transaction(self.session, self.clocks):
            row = self.session.row(self.session.load("gate/apply/guard"), {"pid": self.pid})
        row["lag"] = max(row["replay_lag_seconds"] or 0.0, self._lag(row))
        return row

    def _lag(self, row: Row) -> float:
        """Seconds since the server passed a position that the slowest standby has not replayed yet."""
        now = time.monotonic()
        self._positions.append((now, _bytes(row["lsn"])))
        if row["replayed_lsn"] is None:
            return 0.0
        replayed = _bytes(row["replayed_lsn"])
        return next((now - at for at, position in self._positions if position > replayed), 0.0)

    def _busy(self) -> str:
        """Why nothing should be begun now; empty when all is quiet, or was less than a poll ago."""
        if time.monotonic() < self._quiet_until:
            return ""
        row = self._look()
        return self._too_much(row) or self._behind_from_the_start(row)

    def _behind_from_the_start(self, row: Row) -> str:
        """How long a standby had been behind before we looked is unknown: it must reach our first position once."""
        if row["replayed_lsn"] is None:
            return ""
        if self._first is None:
            self._first = _bytes(row["lsn"])
        missing = self._first - _bytes(row["replayed_lsn"])
        return f"a replica has yet to replay {missing} bytes from before we began" if missing > 0 else ""

    def _too_much(self, row: Row) -> str:
        limits = self.limits
        if row["waiters"]:
            return f"{row['waiters']} sessions wait for a lock of ours"
        if row["lag"] > limits.replica_lag_seconds:
            return f"a replica is {row['lag']:.0f} s behind (limit {limits.replica_lag_seconds:g} s)"
        if row["connections_percent"] > limits.connections_percent:
            used, limit = row["connections_percent"], limits.connections_percent
            return f"{used:.0f} % of the connections are in use (limit {limit:g} %)"
        return ""


def _bytes(lsn: str) -> int:
    """A WAL position such as ``16/B374D848`` as bytes since the beginning."""
    high, low = lsn.split("/")
    return (int(high, 16) << 32) + int(low, 16)
