"""The target database as the twin reads it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
from psycopg.rows import dict_row

SQL = Path(__file__).parent / "sql"

Row = dict[str, Any]


class Target:
    """The target database of one request: read-only, one snapshot, ended by the server after ten seconds."""

    def __init__(self, connection: psycopg.Connection[Row], storage_bytes: int | None = None) -> None:
        self._connection = connection
        self.storage_bytes = storage_bytes  # what the platform's plan allows, which no database knows

    @classmethod
    @contextmanager
    def open(cls, dsn: str, storage_bytes: int | None = None) -> Iterator[Target]:
        with psycopg.connect(
            dsn,
            connect_timeout=5,
            application_name="functions-twin",
            options="-c statement_timeout=10s -c TimeZone=UTC -c DateStyle=ISO -c IntervalStyle=postgres",
            row_factory=dict_row,
        ) as connection:
            connection.read_only = True
            connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            yield cls(connection, storage_bytes)

    def rows(self, name: str, **values: Any) -> list[Row]:
        """The rows of ``sql/<name>.sql`` with these values bound."""
        statement = (SQL / f"{name}.sql").read_text(encoding="utf-8")
        return self._connection.execute(statement.encode(), values).fetchall()

    def row(self, name: str, **values: Any) -> Row:
        """The one row of ``sql/<name>.sql``."""
        [row] = self.rows(name, **values)
        return row
