"""Rows that pages share: a change shows with the next page, rights are never shared, and memory is bounded."""

from __future__ import annotations

import gc
import secrets
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.stages.ledger import Ledger, finding, record, write
from tests.stages.pages import Site, as_dashboard, config_with, reported, served, window_of
from tests.stages.reports import Page
from upkeep.core.findings import Level
from upkeep.core.windows import Window
from upkeep.dashboard.reading import LedgerSessions
from upkeep.dashboard.sharing import MOST, PER_ROW, SharedRows, settled_rows
from upkeep.ledger.write import add_step
from upkeep.wires import queries
from upkeep.wires.database import Row


@pytest.fixture
def both(window: Window) -> list[str]:
    """Two targets."""
    return [f"{window.target}_a", f"{window.target}_b"]


@pytest.fixture
def sites(book: Ledger, both: list[str], tmp_path: Path, today: datetime) -> Iterator[tuple[Site, Site]]:
    """Two api-servers over one ledger; each keeps rows of its own."""
    config = config_with(tmp_path, *both)
    with served(config, as_dashboard(book), today) as one, served(config, as_dashboard(book), today) as other:
        yield one, other


def seen(book: Ledger, target: str, today: datetime, key: str, days: int = 0) -> None:
    """A window of the target that has found something critical under this key, and its report."""
    window = window_of(target, "daily", today.replace(hour=2) - timedelta(days=days), days)
    write(book, window, record(finding(key, Level.CRITICAL, subject=f"Subject {key}"), step="health.x", at=window.due))
    reported(book, window, "critical", "a headline")


def test_a_change_shows_with_the_next_page_of_every_api_server(
    book: Ledger, sites: tuple[Site, Site], both: list[str], today: datetime
) -> None:
    """Of a new window, and of a look that is repeated; on Home, among the findings, and in the guide."""
    for number, days in enumerate((2, 1, 0, 0)):
        seen(book, both[0], today, f"key:{number}", days)
        for site in sites:
            for _ in range(2):
                assert f"Subject key:{number}" in Page(site.ask("/findings").text).text
                assert f"Subject key:{number}" in Page(site.ask("/").text).text
        assert number == 0 or f"Subject key:{number - 1}" not in sites[0].ask("/findings").text


def test_what_was_numbered_before_and_committed_after_shows_too(
    book: Ledger, sites: tuple[Site, Site], both: list[str], today: datetime
) -> None:
    """Two transactions that overlap: the newest number is the same before and after the first one's commit."""
    seen(book, both[0], today, "old", 1)
    window = window_of(both[0], "daily", today.replace(hour=2) - timedelta(days=1), 1)
    with book.session() as session:
        bad = finding("late", Level.CRITICAL, subject="Late one")
        add_step(session, window, record(bad, step="health.y", at=window.due))
        seen(book, both[1], today, "new")
        assert "Subject new" in sites[0].ask("/findings").text and "Late one" not in sites[0].ask("/findings").text
    assert "Late one" in sites[0].ask("/findings").text


def test_rights_are_not_shared(book: Ledger, sites: tuple[Site, Site], both: list[str], today: datetime) -> None:
    """Who may read one target sees nothing of the other, whoever looked before them."""
    site, dags = sites[0], dict(zip(both, ("maintenance_daily", f"maintenance_daily__{both[1]}"), strict=True))
    for target in both:
        seen(book, target, today, f"of_{target}")
    for hidden in (None, both[1], None, both[0], None):
        site.hidden = frozenset({dags[hidden]}) if hidden else frozenset()
        for path in ("/findings", "/"):
            html = site.ask(path).text
            assert [target for target in both if f"Subject of_{target}" not in html] == [hidden] * bool(hidden)
    assert "not read the runs" in site_hidden(site, *dags.values())


def site_hidden(site: Site, *dags: str) -> str:
    """What is said to somebody who may see no target."""
    site.hidden = frozenset(dags)
    return site.ask("/findings").text


def test_rows_are_read_once_where_nothing_has_changed() -> None:
    """The same rows for two sessions, each in its own list; another mark, or its time is over: they are read anew."""
    read: list[list[Row]] = []

    def ask() -> list[Row]:
        read.append([{"n": len(read)}])
        return read[-1]

    shared, key = SharedRows(), ("a statement", "its parameters")
    shared.get(key, {"steps": 1}, ask).append({"n": "the caller's"})
    assert shared.get(key, {"steps": 1}, ask) == [{"n": 0}] and len(read) == 1
    assert shared.get(key, {"steps": 2}, ask) == [{"n": 1}]
    assert shared.get(("a statement", "others"), {"steps": 2}, ask) == [{"n": 2}]
    short = SharedRows(longest=0)
    assert short.get(key, {"steps": 1}, ask) != short.get(key, {"steps": 1}, ask)


def test_what_is_over_is_shared_whatever_comes_but_not_of_another_ledger(
    book: Ledger, window: Window, today: datetime
) -> None:
    """A step more changes nothing; where the ledger is made anew, another one is restored say, it is read."""
    ledger = LedgerSessions(as_dashboard(book), "my_ledger", keep=1)
    asked: dict[str, Any] = {"target": window.target, "after": today - timedelta(days=100)}

    def past() -> list[Row]:
        with ledger.session() as session:
            return settled_rows(session, queries.load("alerts/newest_findings"), asked)

    seen(book, window.target, today, "one", days=1)
    (one,) = past()
    seen(book, window.target, today, "two")
    assert [row is one for row in past()] == [True]
    book.change("UPDATE upkeep.identity SET id = gen_random_uuid()")
    assert [row["key"] for row in past()] == ["two"]
    ledger.close()


def test_a_session_that_reads_shares_and_one_that_writes_does_not(
    book: Ledger, window: Window, today: datetime
) -> None:
    """A form's checks rest on what is in the ledger at that moment."""
    ledger = LedgerSessions(as_dashboard(book), "my_ledger", keep=1)
    asked: dict[str, Any] = {"target": window.target, "after": today - timedelta(days=100)}
    seen(book, window.target, today, "one")
    found = []
    for read_only in (True, True, False):
        with ledger.session(read_only=read_only) as session:
            found.append(session.rows(queries.load("alerts/newest_findings"), asked))
    ledger.close()
    ((one,), (same,), (anew,)) = found
    assert one is same and one == anew and one is not anew and one["key"] == "one"


def test_a_process_that_has_answered_is_not_searched_for_garbage_whole(
    sites: tuple[Site, Site], both: list[str]
) -> None:
    """What an api-server is made of is some hundred thousand objects; what pages make after that is searched still."""
    assert sites[0].ask("/guide").status_code == 200
    frozen = gc.get_freeze_count()
    assert frozen > 100_000
    assert sites[1].ask("/guide").status_code == 200
    assert gc.get_freeze_count() <= frozen, "once a process"


def test_memory_is_bounded() -> None:
    """What was not used for longest goes first; rows that are larger than all that is kept are kept by nobody."""
    shared = SharedRows(most=2 * PER_ROW + 200)  # two rows, with a little in them
    for number in range(50):
        shared.get(("a statement", str(number)), {}, lambda: [{"text": "x" * 50}])
        shared.get(("a statement", "0"), {}, lambda: [{"text": "again"}])
        assert shared.size <= shared.most
    assert shared.get(("a statement", "0"), {}, list) == [{"text": "x" * 50}]
    assert shared.get(("a statement", "1"), {}, list) == []
    assert len(shared.get(("a statement", "large"), {}, lambda: [{"text": "x" * 2_000}])) == 1
    assert shared.size <= shared.most


@pytest.mark.parametrize(
    ("key", "rows"),
    [(("a statement", "p" * 20_000), []), (("a statement", "many"), [{"n": 1}] * 100)],
    ids=["a long key", "many small rows"],
)
def test_what_is_no_value_counts_too(key: tuple[str, str], rows: list[Row]) -> None:
    """A key with many parameters and rows of next to nothing take memory as values do."""
    shared = SharedRows(most=20_000)
    shared.get(key, {}, lambda: rows)
    assert shared.get(key, {}, lambda: [{"n": "read anew"}]) == [{"n": "read anew"}]


def test_a_process_keeps_a_few_megabytes() -> None:
    """A thousand targets' rows, as tracemalloc has them; of 50 MB that the pages may add they are a small part."""
    shared = SharedRows()
    tracemalloc.start()
    try:
        for number in range(1000):
            shared.get(
                ("a statement", f"target {number}"), {}, lambda: [{"key": secrets.token_hex(8)} for _ in range(40)]
            )
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 1_000_000 < shared.size <= MOST and held < 20 * 2**20


def test_what_is_too_old_to_be_shared_is_not_kept() -> None:
    """It goes when others come, though there is room."""
    shared = SharedRows(longest=0)
    for number in range(3):
        shared.get(("a statement", str(number)), {}, lambda: [{"text": "x"}])
        one = shared.size
    assert one == len("a statement") + 1 + PER_ROW + 1


def test_the_ledger_away_is_said_though_rows_are_known(book: Ledger, both: list[str], tmp_path: Path) -> None:
    """What is shared is never shown in place of a ledger that does not answer."""
    away = False

    def connect() -> psycopg.Connection[Any]:
        return psycopg.connect(f"{book.dsn('dashboard')}{' port=1' if away else ''}", connect_timeout=30)

    with served(config_with(tmp_path, *both), connect) as site:
        assert site.ask("/findings").status_code == 200
        away = True
        book.ask(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE usename = %s", book.login("dashboard")
        )
        assert site.ask("/findings").status_code == 503
        away = False
        assert site.ask("/findings").status_code == 200
