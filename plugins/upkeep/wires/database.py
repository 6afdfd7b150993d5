"""The only seam to the database driver: sessions with two clocks, notices kept, cancel by own PID.

Every statement runs under the server's ``statement_timeout`` and ``lock_timeout`` beside the task's own
timeout (X11). They are set with SET LOCAL inside the transaction, which also holds behind a pooler in
transaction mode (X13). So is whatever else of a session changes what statements mean or how answers read (PINNED), for
a database or a role may have any default. Server notices are kept: VACUUM and ANALYZE by a non-owner only warn (X10).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from upkeep.settings.maintenance import Sql
from upkeep.wires import queries

Row = dict[str, Any]
Connect = Callable[[], psycopg.Connection[Any]]

#: What every session of ours has, whatever the database's and the role's defaults are. What only makes a statement
#: faster or slower (enable_…, work_mem, jit) stays as the DBA set it (but for the pages' own:
#: ``dashboard/planner``).
PINNED = {
    # How answers read: the driver and we parse them.
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "datestyle": "ISO, MDY",
    "extra_float_digits": "1",
    "intervalstyle": "postgres",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "quote_all_identifiers": "off",
    "timezone": "UTC",
    "timezone_abbreviations": "Default",
    "xmlbinary": "base64",
    # What statements mean.
    "array_nulls": "on",
    "backslash_quote": "safe_encoding",
    "gin_fuzzy_search_limit": "0",
    "restrict_nonsystem_relation_kind": "",
    "row_security": "on",
    "search_path": "pg_catalog",
    "standard_conforming_strings": "on",
    "stats_fetch_consistency": "cache",
    "transform_null_equals": "off",
    "xmloption": "content",
    # How transactions go: a permit that was committed is on disk.
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "synchronous_commit": "on",
    # Clocks that would end a session of ours between its statements, or several statements that each were in time.
    "idle_session_timeout": "0",
    "transaction_timeout": "0",
}


@dataclass(frozen=True)
class ServerNotice:
    """A message the server sent beside its answer, such as ``WARNING: permission denied …, skipping it``."""

    severity: str
    message: str


@dataclass
class Session:
    """An open transaction with its clocks set. ``notices`` collects what the server said meanwhile."""

    connection: psycopg.Connection[Any]
    notices: list[ServerNotice] = field(default_factory=list)

    @property
    def version(self) -> int:
        """The server's ``server_version_num``, such as 170010."""
        return self.connection.info.server_version

    def load(self, name: str) -> str:
        """The text of a statement of ``include/sql``, in the variant for this server."""
        return queries.load(name, self.version)

    def rows(self, statement: str, parameters: Mapping[str, Any] | None = None) -> list[Row]:
        """Run one statement with bound values and return its rows, none when it returns none."""
        with self.connection.cursor(row_factory=dict_row) as cursor:
            cursor.execute(statement, parameters)
            return cursor.fetchall() if cursor.description else []

    def row(self, statement: str, parameters: Mapping[str, Any] | None = None) -> Row:
        """The one row of a statement. Raises LookupError when there is not exactly one."""
        rows = self.rows(statement, parameters)
        if len(rows) != 1:
            raise LookupError(f"found {len(rows)} rows, expected exactly one from: {statement.strip()[:120]}")
        return rows[0]

    def cancel(self) -> None:
        """Ask the server to cancel what this session runs now; safe to call from a signal handler (X11)."""
        self.connection.cancel_safe(timeout=5)


def opened(connect: Connect) -> Session:
    """Connect and collect what the server says beside its answers; no clock is set yet, and the caller closes it."""
    connection = connect()
    try:
        found = Session(connection)
        connection.add_notice_handler(
            lambda said: found.notices.append(
                ServerNotice(said.severity_nonlocalized or "", said.message_primary or "")
            )
        )
        # Behind a pooler a prepared statement outlives us in its backend and meets the next client's of the same name.
        connection.prepare_threshold = None
        # A default of the database or the role would else decide what each BEGIN means.
        connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
        connection.deferrable = False
    except BaseException:
        connection.close()
        raise
    return found


@contextmanager
def connected(connect: Connect) -> Iterator[Session]:
    """The same for as long as the block lasts: it is always closed."""
    found = opened(connect)
    try:
        yield found
    finally:
        found.connection.close()


@contextmanager
def transaction(opened: Session, clocks: Sql) -> Iterator[Session]:
    """One transaction of a session with both clocks set for it, committed at the end."""
    with opened.connection.transaction():
        _set_clocks(opened, clocks)
        yield opened


@contextmanager
def session(connect: Connect, clocks: Sql, *, read_only: bool) -> Iterator[Session]:
    """Connect, open one transaction with both clocks set, commit at the end, always close.

    Raises psycopg.Error as the driver gives it; ``explain`` turns it into a sentence.
    """
    with connected(connect) as opened:
        opened.connection.read_only = read_only
        with transaction(opened, clocks):
            yield opened


@contextmanager
def standing(connect: Connect, clocks: Sql) -> Iterator[Session]:
    """A session outside any transaction, each statement on its own: what VACUUM and CONCURRENTLY need (X10).

    The clocks are settings of the session, which a pooler in transaction mode would not keep (X13).
    """
    with connected(connect) as opened:
        opened.connection.autocommit = True
        _set_clocks(opened, clocks, local=False)
        yield opened


def _set_clocks(opened: Session, clocks: Sql, *, local: bool = True) -> None:
    settings = {
        "statement_timeout": _milliseconds(clocks.statement_timeout_seconds),
        "lock_timeout": _milliseconds(clocks.lock_timeout_seconds),
        "idle_in_transaction_session_timeout": _milliseconds(clocks.statement_timeout_seconds),
        # When the task is killed outright nobody cancels: let the server notice that its client is gone.
        "client_connection_check_interval": "2s",
    }
    _pin(opened, PINNED | settings, local=local)


def pinned(connect: Connect) -> Connect:
    """The same way to connect, to a session of PINNED settings: for what is no Session and must not have our clocks."""

    def connect_and_pin() -> psycopg.Connection[Any]:
        connection = connect()
        try:
            _pin(Session(connection), PINNED, local=False)
            connection.commit()  # a rollback would take the settings back
        except BaseException:
            connection.close()
            raise
        return connection

    return connect_and_pin


def _pin(opened: Session, settings: Mapping[str, str], *, local: bool) -> None:
    opened.rows(queries.load("wires/pin"), {"settings": json.dumps(settings), "local": local})


def _milliseconds(seconds: float) -> str:
    """A setting's value; never 0, which would switch the clock off."""
    return f"{max(1, round(seconds * 1000))}ms"


def script(name: str, **identifiers: str) -> str:
    """A setup script of ``include/sql`` with its identifiers quoted and filled in; it may hold several statements."""
    template = sql.SQL(queries.load(name))
    filled = template.format(**{key: sql.Identifier(value) for key, value in identifiers.items()})
    return filled.as_string()


def statement(name: str, **identifiers: str) -> str:
    """One statement of ``include/sql`` with its identifiers quoted and filled in, to be run with bound values."""
    # The driver takes a % of a name for the beginning of a placeholder unless it stands twice.
    return script(name, **{key: value.replace("%", "%%") for key, value in identifiers.items()})


def error_words(error: Exception) -> str:
    """An error's message in one line; of a server's what it says, not the line of our statement that it points at."""
    said = str(error)
    if isinstance(error, psycopg.Error) and (heard := error.diag).message_primary:
        parts = (heard.message_primary, heard.message_detail, heard.message_hint, heard.context)
        said = "; ".join(part for part in parts if part)
    return " ".join(said.split()) or type(error).__name__


def explain(error: psycopg.Error, connection_id: str) -> str:
    """One sentence for people: which Connection, what the server said, what to look at."""
    match error:
        case psycopg.errors.QueryCanceled():
            advice = "statement_timeout ended it (config: sql.statement_timeout_seconds), or somebody cancelled it"
        case psycopg.errors.LockNotAvailable():
            advice = "a lock was not free in time (config: sql.lock_timeout_seconds)"
        case psycopg.errors.InsufficientPrivilege():
            advice = "the role lacks a permission; `python -m upkeep grants` prints what it needs"
        case psycopg.OperationalError() if error.sqlstate is None:
            advice = "the database could not be reached or the login was refused"
        case _:
            advice = f"SQLSTATE {error.sqlstate or 'unknown'}"
    return f"Connection {connection_id!r}: {advice}. Server or driver said: {error_words(error)}"
