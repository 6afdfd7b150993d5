"""How the pages read the ledger: connections that are kept between pages, and what becomes of them."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.stages.ledger import Ledger
from tests.stages.pages import Site
from tests.stages.sessions import until
from upkeep.dashboard.reading import KEPT, UNUSED, LedgerAway, LedgerSessions
from upkeep.wires.database import Session

#: How often many pages come and go at once.
ROUNDS = 5


class Slow(psycopg.Connection[Any]):
    """Whether it is closed takes a moment, in which other threads go on."""

    @property
    def closed(self) -> bool:
        """As the driver says."""
        time.sleep(0.001)
        return super().closed


class Opened:
    """A way to connect to the ledger as the dashboard, which remembers what it opened."""

    def __init__(self, book: Ledger) -> None:
        self.book = book
        self.kind: type[psycopg.Connection[Any]] = psycopg.Connection
        self.connections: list[psycopg.Connection[Any]] = []

    def __call__(self) -> psycopg.Connection[Any]:
        self.connections.append(self.kind.connect(self.book.dsn("dashboard"), connect_timeout=30))
        return self.connections[-1]

    @property
    def open(self) -> int:
        """How many of them are not closed."""
        return sum(not one.closed for one in self.connections)


@pytest.fixture
def opened(book: Ledger) -> Iterator[Opened]:
    """Each is closed at the end."""
    found = Opened(book)
    yield found
    for one in found.connections:
        one.close()


def pid(session: Session) -> int:
    """Which backend answers."""
    found: int = session.row("SELECT pg_backend_pid() AS pid")["pid"]
    return found


def test_a_connection_serves_one_page_after_the_other(opened: Opened) -> None:
    """Also one that writes; each in a transaction of its own, under the clocks of the pages."""
    ledger = LedgerSessions(opened, "my_ledger", KEPT)
    for read_only in (True, False, True):
        with ledger.session(read_only=read_only) as session:
            assert session.row("SHOW transaction_read_only") == {"transaction_read_only": "on" if read_only else "off"}
            assert session.row("SHOW statement_timeout") == {"statement_timeout": "10s"}
    assert len(opened.connections) == 1
    assert opened.connections[0].execute("SHOW statement_timeout").fetchone() == ("0",)


def test_one_that_the_server_ended_meanwhile_is_replaced_before_it_is_asked(opened: Opened, book: Ledger) -> None:
    """As after a restart of the server: the next page is whole."""
    ledger = LedgerSessions(opened, "my_ledger", KEPT)
    with ledger.session() as session:
        first = pid(session)
    book.ask("SELECT pg_terminate_backend(%s, 10000)", first)
    with ledger.session() as session:
        assert pid(session) != first
    assert len(opened.connections) == 2 and opened.open == 1


def test_one_that_is_too_old_is_replaced(opened: Opened) -> None:
    """Whoever changes the Connection in Airflow need not restart anything."""
    ledger = LedgerSessions(opened, "my_ledger", KEPT, oldest=0)
    for _ in range(3):
        ledger.rows("setup/clock")
    assert len(opened.connections) == 3 and opened.open <= 1


def test_one_that_was_not_used_for_a_minute_is_replaced(opened: Opened) -> None:
    """However young it is."""
    ledger = LedgerSessions(opened, "my_ledger", KEPT)
    for _ in range(3):
        ledger.unused = UNUSED
        with ledger.session():
            ledger.unused = 0
    assert len(opened.connections) == 3 and not opened.open


def test_one_that_nobody_uses_is_ended_by_the_server(opened: Opened, book: Ledger) -> None:
    """Though no page comes that would look at it; the next one is whole."""
    ledger = LedgerSessions(opened, "my_ledger", KEPT, unused=2)
    with ledger.session() as session:
        first = pid(session)
    until(lambda: book.ask("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", first) == [(0,)])
    with ledger.session() as session:
        assert pid(session) != first
    assert opened.open == 1


def test_no_clock_of_a_page_ends_one_in_the_middle_of_it(opened: Opened) -> None:
    """The server's is for between pages alone, a tenth longer than ours."""
    ledger = LedgerSessions(opened, "my_ledger", KEPT)
    with ledger.session() as session:
        assert session.row("SHOW idle_session_timeout") == {"idle_session_timeout": "0"}
    assert opened.connections[0].execute("SHOW idle_session_timeout").fetchone() == ("66s",)


SOCKET = """
import json, os, socket
from upkeep_plugin import UpkeepPlugin

((app,),) = [[one["app"]] for one in UpkeepPlugin().fastapi_apps]
with app.state.ledger.session() as session, socket.socket(fileno=os.dup(session.connection.fileno())) as line:
    options = (socket.TCP_USER_TIMEOUT, socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL)
    print(json.dumps([line.getsockopt(socket.IPPROTO_TCP, one) for one in options]))
"""


def test_a_host_that_vanishes_is_given_up_within_seconds(book: Ledger, tmp_path: Path) -> None:
    """It sends no end: the kernel's own clock would hold a page for minutes. In force on the api-server's sockets."""
    environment = book.environment(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", SOCKET], env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == [10_000, 10, 5]


def test_one_whose_statement_failed_is_not_kept(opened: Opened) -> None:
    """Nor one whose page failed by itself, in the middle of a transaction that is rolled back."""
    ledger = LedgerSessions(opened, "my_ledger", KEPT)
    with pytest.raises(LedgerAway), ledger.session() as session:
        session.rows("SELECT 1 / 0")
    with pytest.raises(ValueError, match="by itself"), ledger.session():
        raise ValueError("by itself")
    with ledger.session() as session:
        assert session.row("SELECT 1 AS one") == {"one": 1}
    assert opened.open == 1


def test_no_more_are_kept_than_a_few(opened: Opened) -> None:
    """However many pages are asked and given back at once, time after time."""
    opened.kind = Slow
    ledger, many = LedgerSessions(opened, "my_ledger", KEPT), 2 * KEPT
    together = threading.Barrier(many)

    def pages() -> None:
        for _ in range(ROUNDS):
            with ledger.session():
                together.wait(30)
            together.wait(30)
            seen.append(opened.open)
            together.wait(30)

    seen: list[int] = []
    threads = [threading.Thread(target=pages) for _ in range(many)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(seen) == many * ROUNDS and set(seen) == {KEPT}
    ledger.close()
    assert not opened.open


def test_the_pages_use_few_connections(book: Ledger, site: Site) -> None:
    """Asked one after the other they need one."""
    for path in ("/", "/findings", "/windows", "/guide"):
        assert site.ask(path).status_code == 200
    mine = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND datname = current_database()"
    until(lambda: book.ask(mine, book.login("dashboard")), lambda found: found == [(1,)])  # earlier tests' end soon
