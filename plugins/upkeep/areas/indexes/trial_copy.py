"""A restored copy on which indexes are tried: who plans on it, by which settings, and until when (G53).

Statements are planned by a role that has no right but to read every row of the copy, in a session that only reads. It
is asked what a plan would cost; what the planner itself evaluates for that runs as this role.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg
from psycopg import sql

from upkeep.areas.indexes import plans
from upkeep.areas.indexes.refusals import RefusedError
from upkeep.settings.maintenance import Sql
from upkeep.wires import database
from upkeep.wires.database import Session

#: What a build takes of this host at most, whatever the target has: kB as the setting is, processes.
_AT_MOST = {"maintenance_work_mem": 256 * 1024, "max_parallel_maintenance_workers": 2}
#: Seconds for a plan, and how long after them its session is ended: code of the target's may catch its cancellation.
_PLAN_SECONDS, _PLAN_GRACE_SECONDS = 10.0, 2.0
#: After the end of all trials a copy has these seconds before its server is stopped.
_GRACE_SECONDS = 5.0
#: A view's text is the target's, and a foreign table may be asked for over the network while it is planned.
_PLANNING = {
    "plan_cache_mode": "force_generic_plan",
    "restrict_nonsystem_relation_kind": "view, foreign-table",
    "search_path": "pg_catalog, pg_temp",
}
#: ANALYZE asks foreign tables below a table for rows, over the network and as the target would.
_STANDING = {"restrict_nonsystem_relation_kind": "foreign-table"}

_ROLE = sql.SQL("CREATE ROLE {} LOGIN NOSUPERUSER BYPASSRLS IN ROLE pg_read_all_data, pg_read_all_settings")
_MAY_ENTER = sql.SQL("GRANT CONNECT, TEMPORARY ON DATABASE {} TO {}")
_SILENCE = sql.SQL("ALTER EVENT TRIGGER {} DISABLE")
_ANALYZE = sql.SQL("ANALYZE {}")
_END = "SELECT pg_catalog.pg_terminate_backend(%(pid)s)"


class Server(Protocol):
    """A restored copy that answers, opened for writing."""

    dbname: str

    def connect(self) -> psycopg.Connection[Any]:
        """A superuser's session."""

    def connect_as(self, role: str) -> psycopg.Connection[Any]:
        """A session of another role's."""

    def free_bytes(self) -> int:
        """How much room it has, in bytes."""

    def stop(self) -> None:
        """End it and all of its sessions."""


@dataclass(frozen=True)
class TrialCopy:
    """A copy at its trials, which must have ended at ``end`` by the monotonic clock; ``settings`` are the target's.

    ``planner`` is who plans on it. ``analyse``: it has no statistics of its own.
    """

    server: Server
    session: Session
    clocks: Sql
    settings: Mapping[str, str]
    end: float
    analyse: bool
    planner: str = field(default_factory=lambda: f"upkeep_planner_{secrets.token_hex(8)}")

    def arm(self, most: float = float("inf")) -> Sql:
        """Clocks for the next statement, which the standing session has too. Raises TimeoutError when none is left."""
        left = min(self.end - time.monotonic(), most)
        if left <= 0:
            raise TimeoutError
        _set(self.session, {"statement_timeout": f"{max(1, round(left * 1000))}ms"})
        return self.clocks.model_copy(update={"statement_timeout_seconds": left})

    def prepare(self) -> None:
        """No event trigger, the role that plans, and the target's settings for builds, within what this host has."""
        for row in self.session.rows(self.session.load("indexes/event_triggers")):
            self.session.rows(_SILENCE.format(sql.Identifier(row["name"])).as_string())
        planner = sql.Identifier(self.planner)
        self.session.rows(_ROLE.format(planner).as_string())
        self.session.rows(_MAY_ENTER.format(sql.Identifier(self.server.dbname), planner).as_string())
        _set(self.session, {**self.settings, **least(self.settings), **_STANDING})

    def with_statistics(self, schema: str, table: str) -> None:
        """A table's statistics, where a copy was not restored with them.

        Raises RefusedError where they would be asked of a foreign server: a minor before August 2024 cannot refuse.
        """
        if not self.analyse:
            return
        self.arm()
        below = self.session.row(self.session.load("indexes/foreign_below"), {"schema": schema, "table": table})
        if below["found"]:
            raise RefusedError("a foreign table is below its table, which ANALYZE would ask for rows")
        self.session.rows(_ANALYZE.format(sql.Identifier(schema, table)).as_string())

    @contextmanager
    def planning(self, *, read_only: bool = True) -> Iterator[Session]:
        """A session of the role that plans, with the target's settings; it is ended when it does not end in time."""
        clocks = self.arm(_PLAN_SECONDS)
        with database.session(lambda: self.server.connect_as(self.planner), clocks, read_only=read_only) as session:
            _set(session, {**self.settings, **_PLANNING})
            pid = session.connection.info.backend_pid
            with _later(clocks.statement_timeout_seconds + _PLAN_GRACE_SECONDS, lambda: self._end(pid)):
                yield session

    def _end(self, pid: int) -> None:
        with suppress(psycopg.Error):  # whoever waits for the plan uses this session for nothing meanwhile
            self.session.rows(_END, {"pid": pid})

    def plan(self, text: str, index: str = "") -> plans.Planned:
        """The generic plan of one statement; it is not executed. Raises psycopg.Error and TimeoutError."""
        with self.planning() as session:
            return plans.planned(session, text, index)


def least(settings: Mapping[str, str]) -> dict[str, str]:
    """Of what a build takes of this host, what the target has or this host gives, whichever is less."""
    return {name: str(min(int(settings[name]), most)) for name, most in _AT_MOST.items() if name in settings}


@contextmanager
def ending(server: Server, end: float) -> Iterator[None]:
    """Stop a server soon after ``end``: code of the target's may run in it that no clock of its own ends."""
    with _later(end + _GRACE_SECONDS - time.monotonic(), server.stop):
        yield


@contextmanager
def _later(seconds: float, call: Callable[[], object]) -> Iterator[None]:
    """Call something after so many seconds, unless the block has ended."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()


def _set(session: Session, settings: Mapping[str, str]) -> None:
    values = {"names": list(settings), "values": list(settings.values())}
    session.rows(session.load("indexes/set_setting"), values)
