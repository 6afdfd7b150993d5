"""Whether a connection pooler in transaction mode stands before a database (X13): Supabase's port 6543 is one.

Behind it each transaction may run on another backend: session advisory locks, ``SET`` and cancelling by PID do not
hold. Checks use ``SET LOCAL`` and go through it; what needs a session must refuse. It cannot be told by asking, only
by how it behaves: two clients, both connected, hold their backends and a session's setting against each other.
"""

from __future__ import annotations

import os
import secrets
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Literal

import psycopg
from psycopg.rows import dict_row

from upkeep.wires import queries
from upkeep.wires.database import Connect, Row, error_words

#: How often each of the two clients asks.
ROUNDS = 4
#: How long the two may wait for a pooler's backends, all questions together.
PATIENCE_SECONDS = 10.0


@dataclass(frozen=True)
class Pooling:
    """What stands before the database: nothing that breaks a session (``none``: also a pooler in session mode), or a
    pooler in transaction or statement mode, which also refuses transactions. ``reason`` says what was seen.
    """

    kind: Literal["none", "transaction", "statement"]
    reason: str

    @property
    def keeps_sessions(self) -> bool:
        """Whether session locks, SET and cancelling by PID hold: what a mutation must ask before it begins."""
        return self.kind == "none"


def detect(connect: Connect, patience_seconds: float = PATIENCE_SECONDS) -> Pooling:
    """Let two clients ask by turns which backend answers them.

    Two connections are open at once. Raises psycopg.Error when one cannot be had, or gets no backend in time because
    the pool has none left. A pooler that kept one backend for each of the two, and nobody else, would look like none.
    """
    first = _client(connect)
    try:
        second = _client(connect)
        try:
            with _patience(patience_seconds, first, second):
                return _judge(first, second)
        finally:
            second.close()
    finally:
        first.close()


def _client(connect: Connect) -> psycopg.Connection[Any]:
    """A client whose every statement is a transaction of its own."""
    client = connect()
    client.autocommit = True
    client.prepare_threshold = None  # a prepared statement lies in one backend and is missing in the next
    return client


@contextmanager
def _patience(seconds: float, *clients: psycopg.Connection[Any]) -> Iterator[None]:
    """End the clients' conversations after so long: no clock of the server's runs while a pooler lets us wait."""
    over = threading.Event()

    def end() -> None:
        over.set()
        for client in clients:
            with suppress(OSError), socket.socket(fileno=os.dup(client.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, end)
    timer.start()
    try:
        yield
    except psycopg.OperationalError:
        if not over.is_set():
            raise
        raise psycopg.OperationalError(
            f"two clients at once found no answer within {seconds:g} s, expected a backend each: the pool is too small"
        ) from None
    finally:
        timer.cancel()
        timer.join()


def _judge(first: psycopg.Connection[Any], second: psycopg.Connection[Any]) -> Pooling:
    reason = _compare(first, second)
    if not reason:
        return Pooling("none", "two clients kept their own backends and settings")
    return _transaction_or_statement(first, reason)


def _ask(client: psycopg.Connection[Any], name: str, **parameters: str) -> Row:
    with client.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(queries.load(f"wires/{name}"), parameters).fetchall()[0]


def _compare(first: psycopg.Connection[Any], second: psycopg.Connection[Any]) -> str:
    """What gave a pooler away; empty when nothing did."""
    markers = {first: f"first {secrets.token_hex(8)}", second: f"second {secrets.token_hex(8)}"}
    for client, marker in markers.items():
        _ask(client, "pooling_mark", marker=marker)
    seen = [
        (client, _ask(client, "pooling_probe", marker=marker))
        for _ in range(ROUNDS)
        for client, marker in markers.items()
    ]
    pids: dict[psycopg.Connection[Any], set[int]] = {
        client: {row["pid"] for asker, row in seen if asker is client} for client in markers
    }
    for client in markers:
        _ask(client, "pooling_mark", marker="")  # whichever backend it reaches: they are few
    if shared := pids[first] & pids[second]:
        return f"two clients at once were served by the same backend (PID {min(shared)})"
    for number, client in enumerate(markers, 1):
        if len(pids[client]) > 1:
            return f"client {number} was served by {len(pids[client])} backends in {ROUNDS} statements"
    if not all(row["kept"] for _, row in seen):
        return "a client lost what it had set for its session"
    return ""


def _transaction_or_statement(client: psycopg.Connection[Any], reason: str) -> Pooling:
    """A pooler in statement mode refuses a transaction of several statements, or spreads it over backends."""
    try:
        with client.transaction():
            pids = {_ask(client, "pooling_probe", marker="")["pid"] for _ in range(ROUNDS)}
    except psycopg.Error as error:
        if error.sqlstate is None:  # nobody refused: the connection is gone
            raise
        return Pooling("statement", f"{reason}, and a transaction was refused: {error_words(error)}")
    if len(pids) > 1:
        return Pooling("statement", f"{reason}, and one transaction by {len(pids)} backends")
    return Pooling("transaction", reason)
