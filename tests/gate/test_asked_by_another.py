"""Nobody is asked twice for one work: a run by hand and the late run of a missed window, who asks first goes on."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from sandbox.postgres import Cluster
from tests.stages.ledger import Ledger, upgraded
from upkeep.core.windows import Run, Window, WindowKind
from upkeep.gate import sheets
from upkeep.gate.plan_store import add_sheet, asked_by_another
from upkeep.ledger.write import open_window

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
DUE = datetime(2026, 11, 1, 2, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture(scope="module")
def book(cluster: Cluster) -> Iterator[Ledger]:
    """One ledger for the module; each test has a target of its own."""
    with upgraded(cluster) as found:
        yield found


@pytest.fixture
def late(book: Ledger) -> Window:
    """The run that Airflow makes, weeks late, for the window of the first Sunday when its DAG is unpaused."""
    return opened(book, WindowKind.CALENDAR, DUE, f"target_{secrets.token_hex(4)}")


def opened(book: Ledger, kind: WindowKind, due: datetime, target: str, at: datetime = NOW, run: str = "") -> Window:
    """A window that a run opened at a moment of the past."""
    name = run or f"{kind.value}__{secrets.token_hex(4)}"
    window = Window(
        target,
        "monthly",
        kind,
        due,
        due + 4 * HOUR,
        due - 28 * 24 * HOUR,
        due,
        name,
        "maintenance_monthly",
        "dora",
        "1",
    )
    with book.session() as session:
        number = open_window(session, window)
    book.change("UPDATE upkeep.windows SET opened_at = %s WHERE id = %s", at, number)
    return window


def by_hand(book: Ledger, late: Window, at: datetime = NOW) -> Window:
    """A run by hand for the same target."""
    return opened(book, WindowKind.MANUAL, at, late.target, at)


def sheet_of(window: Window) -> sheets.Sheet:
    """The sheet by which the roles are asked to sign on."""
    item = sheets.SheetItem("dba", "dba", "DBA", "G23", "", "takes part")
    named = {"dag_id": window.dag_id, "run_id": window.run_id, "instance": window.instance}
    times = {"due": window.due, "not_after": NOW + 4 * HOUR}
    return sheets.Sheet(sheets.SIGN_ON, window.target, "monthly", items=(item,), **times, **named)


def ask(book: Ledger, window: Window) -> None:
    """Draw it up."""
    with book.session() as session:
        add_sheet(session, window, sheet_of(window), {})


def other(book: Ledger, window: Window, *, now: datetime = NOW, dead: str = "") -> str:
    """Why this run asks nobody; runs are alive, but for one."""
    with book.session() as session:
        return asked_by_another(session, window, now, lambda run: run.run_id != dead)


def test_a_late_run_asks_nothing_that_a_run_by_hand_asks(book: Ledger, late: Window) -> None:
    """From the moment on at which that one has asked, and until it has ended or was deleted."""
    manual = by_hand(book, late)
    assert other(book, late) == ""
    ask(book, manual)
    assert other(book, late).startswith(f"the run {manual.run_id}, which asks for the same work since ")
    assert other(book, late, dead=manual.run_id) == ""
    assert other(book, manual) == ""


def test_a_run_by_hand_asks_nothing_that_a_late_run_asks(book: Ledger, late: Window) -> None:
    """The other way round: first come, first asked; who has asked goes on, and a second run by hand does not count."""
    ask(book, late)
    manual = by_hand(book, late)
    assert other(book, manual).startswith(f"the run {late.run_id}, which asks for the same work since ")
    assert other(book, late) == ""
    assert other(book, replace(manual, target="another")) == ""
    free = opened(book, WindowKind.CALENDAR, DUE, f"target_{secrets.token_hex(4)}")
    first, second = by_hand(book, free), by_hand(book, free)
    ask(book, first)
    assert other(book, second) == ""


def test_a_window_in_time_always_asks(book: Ledger, late: Window) -> None:
    """Its own hour is the calendar's: a run by hand beside it changes nothing, nor does one from before it was due."""
    ask(book, by_hand(book, late, at=DUE + HOUR))
    assert other(book, late, now=DUE + 2 * HOUR) == ""
    assert other(book, late, now=DUE + 4 * HOUR) != ""
    before = opened(book, WindowKind.CALENDAR, DUE, f"target_{secrets.token_hex(4)}")
    ask(book, by_hand(book, before, at=DUE - HOUR))
    assert other(book, before) == ""
    in_time = opened(book, WindowKind.CALENDAR, DUE, f"target_{secrets.token_hex(4)}", at=DUE)
    ask(book, in_time)
    assert other(book, by_hand(book, in_time)) == ""


def test_of_two_that_begin_at_the_same_moment_one_asks(book: Ledger, late: Window) -> None:
    """Unpaused and triggered with one click: the second waits for the first to have drawn up what it asks."""
    manual, asking = by_hand(book, late), []
    start = threading.Barrier(2)

    def begin(window: Window) -> None:
        start.wait()
        with book.session() as session:
            if not asked_by_another(session, window, NOW, lambda _: True):
                add_sheet(session, window, sheet_of(window), {})
                asking.append(Run(window.dag_id, window.run_id, window.instance))

    hands = [threading.Thread(target=begin, args=(window,)) for window in (late, manual)]
    for hand in hands:
        hand.start()
    for hand in hands:
        hand.join()
    assert len(asking) == 1
