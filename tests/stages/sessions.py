"""Sessions of a server: ways to it, who runs what, and waiting until something is so."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import psycopg

from upkeep.wires.database import Connect

T = TypeVar("T")
PATIENCE_SECONDS = 120


def until(ask: Callable[[], T], good: Callable[[T], object] = bool, pause: float = 0.05) -> T:
    """The first answer that is good, with pauses in seconds; fails with the last one when none comes in time."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not good(found := ask()):
        assert time.monotonic() < deadline, f"still {found!r} after {PATIENCE_SECONDS} s"
        time.sleep(pause)
    return found


def to(dsn: str) -> Connect:
    """How to connect there."""
    return lambda: psycopg.connect(dsn)


def running(dsn: str, marker: str) -> list[int]:
    """PIDs of the sessions whose statement holds the marker, our own left out."""
    query = "SELECT pid FROM pg_stat_activity WHERE query LIKE %s AND state = 'active' AND pid <> pg_backend_pid()"
    with psycopg.connect(dsn, autocommit=True) as connection:
        return [pid for (pid,) in connection.execute(query, [f"%{marker}%"])]
