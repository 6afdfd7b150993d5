"""A ledger that an older Upkeep made: what a table that it does not know means."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from psycopg.errors import UndefinedTable

from upkeep.settings.base import ConfigError
from upkeep.settings.load import settings


@contextmanager
def of_this_version(table: str) -> Iterator[None]:
    """Raises ConfigError, which says what to run, when the ledger does not know a table yet."""
    try:
        yield
    except UndefinedTable:
        raise ConfigError(
            f"Connection {settings().maintenance.ledger.tasks!r}: found a ledger without the table {table}, "
            "expected one of this version: run `python -m upkeep ledger upgrade`"
        ) from None
