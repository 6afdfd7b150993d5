"""The ledger while actions run: one session that is opened again when it is lost; every row commits at once."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self, TypeVar

import psycopg

from upkeep.settings.maintenance import Sql
from upkeep.wires import database
from upkeep.wires.database import Connect, Session

T = TypeVar("T")

_PAUSE = 2.0


class LedgerSession:
    """A standing session on the ledger: ``once`` fails at once, ``with_retry`` tries again for ``patience`` seconds."""

    def __init__(self, connect: Connect, clocks: Sql, patience: float) -> None:
        self._connect, self._clocks, self._patience = connect, clocks, patience
        self._stack = ExitStack()
        self._session: Session | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def once(self, ask: Callable[[Session], T]) -> T:
        """What a function of the ledger says, over a session that is opened when there is none.

        For looks that the caller repeats, and for a row that must not be written again when its answer was lost.
        """
        if self._session is None or self._session.connection.closed:
            self._stack.close()
            self._session = self._stack.enter_context(database.standing(self._connect, self._clocks))
        return ask(self._session)

    def with_retry(self, ask: Callable[[Session], T]) -> T:
        """The same of a ledger that may be away or locked. Raises psycopg.OperationalError when it stays so."""
        give_up = time.monotonic() + self._patience
        while True:
            try:
                return self.once(ask)
            except psycopg.OperationalError:
                if time.monotonic() >= give_up:
                    raise
                time.sleep(_PAUSE)
