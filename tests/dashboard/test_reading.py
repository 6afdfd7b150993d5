"""How the pages read the ledger: connections that are kept between pages, and what becomes of them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from tests.stages.ledger import Ledger
from tests.stages.pages import Site
from upkeep.dashboard.reading import KEPT, LedgerAway, LedgerSessions
from upkeep.wires.database import Session


class Opened:
    """A way to connect to the ledger as the dashboard, which remembers what it opened."""

    def __init__(self, book: Ledger) -> None:
        self.book = book
        self.connections: list[psycopg.Connection[Any]] = []

    def __call__(self) -> psycopg.Connection[Any]:
        self.connections.append(psycopg.connect(self.book.dsn("dashboard"), connect_timeout=2))
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
    """However many pages are asked at once."""
    ledger, many = LedgerSessions(opened, "my_ledger", KEPT), 2 * KEPT
    together = threading.Barrier(many)

    def page() -> None:
        with ledger.session():
            together.wait(30)

    threads = [threading.Thread(target=page) for _ in range(many)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(opened.connections) == many and opened.open == KEPT
    ledger.close()
    assert not opened.open


def test_the_pages_use_few_connections(book: Ledger, site: Site) -> None:
    """Asked one after the other they need one."""
    for path in ("/", "/findings", "/windows", "/guide"):
        assert site.ask(path).status_code == 200
    mine = "SELECT count(*) FROM pg_stat_activity WHERE usename = %s AND datname = current_database()"
    assert book.ask(mine, book.login("dashboard")) == [(1,)]
