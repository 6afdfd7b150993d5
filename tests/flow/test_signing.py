"""What surrounds signatures: when a sign-off is asked for, what a missing sheet leaves, one person in one role."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import psycopg
import pytest

from tests.stages.ledger import Ledger
from tests.stages.signing import SIGNER, SIGNING, config_folder
from upkeep.core import windows
from upkeep.gate import sheets
from upkeep.gate.decision_store import add_decision, add_shown, approvals_in_run, decisions
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import StoredSheet, add_sheet
from upkeep.gate.sheets import Sheet, SheetItem
from upkeep.ledger.write import open_window
from upkeep.settings.load import settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.sdk import DAG

    from upkeep.flow.dag import Flow
    from upkeep.flow.report_data.signatures import signatures_of_run, work_ended

DUE = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Config pins the tests' key."""
    monkeypatch.setenv("UPKEEP_CONFIG", str(config_folder(tmp_path)))
    settings.cache_clear()
    yield
    settings.cache_clear()


@pytest.fixture
def window(book: Ledger) -> windows.Window:
    """A monthly window by hand, opened in a real ledger."""
    end, run = DUE + timedelta(hours=4), f"run of {datetime.now(UTC).isoformat()}"
    times, calls = (DUE, end, DUE - timedelta(28), DUE), {"run_id": run, "dag_id": "d", "instance": "1"}
    found = windows.Window("production", "monthly", windows.WindowKind.MANUAL, *times, **calls)
    with book.session() as session:
        open_window(session, found)
    return found


def draw_up(book: Ledger, window: windows.Window, purpose: str, *items: SheetItem) -> StoredSheet:
    """Keep a sheet of this run."""
    end = window.due + timedelta(hours=2)
    sheet = Sheet(
        purpose, "production", "monthly", window.dag_id, window.run_id, window.due, end, items, window.instance
    )
    with book.session() as session:
        return add_sheet(session, window, sheet, {})


def sign(book: Ledger, window: windows.Window, kept: StoredSheet, role: str, person: str, *ids: str) -> None:
    """One role's answer, as its sensor keeps it."""
    shown: dict[str, Any] = {"task_id": role, "map_index": -1}
    shown |= {"try_number": 1, "role": role, "digest": kept.digest, "body_digest": "", "action_ids": list(ids)}
    with book.session() as session:
        number = add_shown(session, window, shown | {"asked": [person]}, SIGNER)
        at = window.due + timedelta(minutes=5)
        add_decision(session, kept.digest, number, Decision(role, person, frozenset(ids), at), SIGNER)


COST = SheetItem("cost", "devops", "Cost", "G30", "", "1 finding")
AUDIT = SheetItem("audit", "security", "Audit", "G24", "", "1 finding")


def test_a_manual_run_that_waited_for_the_next_window_is_signed_off(window: windows.Window) -> None:
    """The default of the form: the next occurrence of the calendar has always come by then."""
    with DAG("signing", schedule=None):
        sheet = cast("Any", Flow("primary", "monthly").sign_off()[0])
    context = {"params": {"groups": [], "dry_run": False}}
    sheet.may_run(context, window, DUE + timedelta(days=40))  # raises Superseded when it may not


def test_attestations_stand_in_the_report_though_the_sign_on_sheet_is_missing(
    book: Ledger, window: windows.Window
) -> None:
    """A quorum step that failed must not hide the names that were given afterwards."""
    sign(book, window, draw_up(book, window, sheets.ATTEST, COST), "devops", "ann", "cost")
    with book.session() as session:
        signing = signatures_of_run(session, window)
    assert signing is not None
    assert [task.name for task in signing.tasks if task.state == sheets.SIGNED] == ["cost"]


def test_waiting_for_the_sign_off_does_not_make_a_window_late(book: Ledger, window: windows.Window) -> None:
    """The signed page may come a day later; the work was over when its sheet was drawn up."""
    with book.session() as session:
        assert work_ended(session, window) is None
    kept = draw_up(book, window, sheets.SIGN_OFF, SheetItem(sheets.WINDOW, "lead", "The whole", "G23", "aa", "done"))
    with book.session() as session:
        assert work_ended(session, window) == kept.drawn_up_at


@pytest.mark.guide("G23", "holds")
def test_the_ledger_keeps_one_yes_of_a_person_for_a_sheet(book: Ledger, window: windows.Window) -> None:
    """Two questions that ann answers at one moment: the first stays, the second is not there; a no may stand beside."""
    kept = draw_up(book, window, sheets.ATTEST, COST, AUDIT)
    sign(book, window, kept, "devops", "ann", "cost")
    sign(book, window, kept, "security", "ann", "audit")
    with book.session() as session:
        assert [(one.role, one.person) for one in decisions(session, kept.digest, SIGNING)] == [("devops", "ann")]
        assert approvals_in_run(session, window.run) == {("ann", "devops")}
    sign(book, window, kept, "security", "ann")
    with book.session() as session:
        assert {one.role for one in decisions(session, kept.digest, SIGNING)} == {"devops", "security"}


def test_a_yes_counts_for_the_whole_run(book: Ledger, window: windows.Window) -> None:
    """Who signed on as one role is known when they are asked as another, for a sheet or for the plan."""
    sign(
        book,
        window,
        draw_up(book, window, sheets.SIGN_ON, SheetItem("dba", "dba", "DBA", "G23", "", "x")),
        "dba",
        "ann",
        "dba",
    )
    sign(book, window, draw_up(book, window, sheets.ATTEST, COST), "devops", "bob", "cost")
    with book.session() as session:
        assert approvals_in_run(session, window.run) == {("ann", "dba"), ("bob", "devops")}
        assert approvals_in_run(session, replace(window, run_id="another run").run) == set()


def test_an_answer_after_the_sheets_time_counts_for_nothing(book: Ledger, window: windows.Window) -> None:
    """Also where it came into the ledger in another way than through the sensor."""
    kept = draw_up(book, window, sheets.SIGN_ON, SheetItem("dba", "dba", "DBA", "G23", "", "x"))
    late = Decision("dba", "ann", frozenset({"dba"}), kept.sheet.not_after)
    assert sheets.missing_sign_on(["dba"], kept.sheet, [late], {"dba": frozenset({"ann"})}) == "no sign-on from dba"


def test_one_yes_of_a_person_is_a_rule_of_the_ledger_itself(book: Ledger) -> None:
    """The index is there, and unique."""
    with psycopg.connect(book.dsn("tasks")) as opened:
        query = "SELECT indexdef FROM pg_indexes WHERE indexname = 'decisions_person_idx'"
        ((definition,),) = opened.execute(query).fetchall()
    assert definition.startswith("CREATE UNIQUE INDEX")
