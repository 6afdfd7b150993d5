"""What went wrong with a trial: told in words of ours, and whether the server has refused the index (G53)."""

from __future__ import annotations

import psycopg

#: SQLSTATEs of what is no refusal: a lost session, no room or memory, a lock that did not come, ended from outside, the
#: system's own errors.
_HOSTS_OWN = ("08", "53", "55P03", "57", "58")


class RefusedError(Exception):
    """Why something is not tried or not planned, in words of ours. ``missing``: a table of it is not there."""

    def __init__(self, why: str, *, missing: bool = False) -> None:
        super().__init__(why)
        self.missing = missing


def hosts_own(error: Exception) -> bool:
    """Whether there was no time or no room, or a lost session: no server has refused the index."""
    if isinstance(error, psycopg.Error) and error.sqlstate:
        return error.sqlstate.startswith(_HOSTS_OWN)
    return isinstance(error, TimeoutError | psycopg.OperationalError | psycopg.InterfaceError)


def words(error: Exception) -> str:
    """What went wrong, in words of ours: a server's message may be what code of the target's makes of its rows."""
    if isinstance(error, RefusedError):
        return str(error)
    if isinstance(error, TimeoutError | psycopg.errors.QueryCanceled):
        return "it did not end in its time (restore.timeout_seconds)"
    if isinstance(error, psycopg.errors.UndefinedTable | psycopg.errors.UndefinedColumn):
        return "there is no such table or column (SQLSTATE 42P01, 42703)"
    if isinstance(error, psycopg.Error):
        return f"the server refused (SQLSTATE {error.sqlstate})" if error.sqlstate else "the server's session ended"
    return f"{type(error).__name__}; see the task's log"
