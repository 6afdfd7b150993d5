"""The ledger as the pages read it: in a read-only session, with short clocks, since a person is waiting."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from upkeep.settings.maintenance import Sql
from upkeep.wires import database, queries

log = logging.getLogger(__name__)

CLOCKS = Sql(connect_timeout_seconds=5, statement_timeout_seconds=10, lock_timeout_seconds=2)


class LedgerAway(Exception):
    """The ledger cannot be asked; the cause is in the log, the Connection's name on the page."""


class LedgerSessions:
    """Sessions with the ledger, and statements of ``include/sql`` in one of their own."""

    def __init__(self, connect: database.Connect, connection_id: str) -> None:
        self.connect, self.connection_id = connect, connection_id

    def _open(self) -> psycopg.Connection[Any]:
        try:
            return self.connect()
        except Exception as error:
            # Whatever stands between us and a session (no such Connection, DNS, a refused login) is the same here.
            log.exception("the ledger cannot be reached (Connection %r)", self.connection_id)
            raise LedgerAway from error

    @contextmanager
    def session(self, *, read_only: bool = True) -> Iterator[database.Session]:
        """A session of one transaction. Raises LedgerAway when there is none or the server refuses."""
        try:
            with database.session(self._open, CLOCKS, read_only=read_only) as session:
                session.rows(queries.load("dashboard/planner"))
                yield session
        except psycopg.Error as error:
            log.warning("the ledger cannot be asked: %s", database.explain(error, self.connection_id))
            raise LedgerAway from error

    def rows(self, statement: str, **parameters: object) -> list[database.Row]:
        """The rows of one statement. Raises LedgerAway."""
        with self.session() as session:
            return session.rows(queries.load(statement), parameters)
