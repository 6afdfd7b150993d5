"""What surrounds signatures: when a sign-off is asked for, and what a missing sheet leaves of the others."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from upkeep import gate, ledger, sheets, windows
from upkeep.flow import Flow, told
from upkeep.flow.signed import signing_of_run
from upkeep.permits import Decision

DUE = datetime(2026, 11, 10, 9, 0, tzinfo=UTC)
WINDOW = windows.Window(
    "production", "monthly", windows.Kind.MANUAL, DUE, DUE + timedelta(hours=4), DUE - timedelta(28), DUE, "r", "d"
)
NOTHING = cast("Any", None)


@dataclass
class _Kept:
    sheet: sheets.Sheet
    digest: str
    drawn_up_at: datetime


def _kept(purpose: str, *items: sheets.Item) -> _Kept:
    sheet = sheets.Sheet(purpose, "production", "monthly", "d", "r", DUE, DUE + timedelta(hours=1), items)
    return _Kept(sheet, purpose, DUE + timedelta(hours=2))


def test_a_manual_run_that_waited_for_the_next_window_is_signed_off() -> None:
    """The default of the form: the next occurrence of the calendar has always come by then."""
    from airflow.sdk import DAG

    with DAG("signing", schedule=None):
        sheet = cast("Any", Flow("production", "monthly").sign_off()[0])
    run = SimpleNamespace(params={"groups": [], "dry_run": False})
    sheet._may_run({"params": run.params}, WINDOW, DUE + timedelta(days=40))


def test_attestations_stand_in_the_report_though_the_sign_on_sheet_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    """A quorum step that failed must not hide the names that were given afterwards."""
    kept = {sheets.ATTEST: _kept(sheets.ATTEST, sheets.Item("cost", "devops", "Cost", "G30", "", "1 finding"))}
    monkeypatch.setattr(gate, "sheet_of_run", lambda _s, _d, _r, purpose: kept.get(purpose))
    monkeypatch.setattr(gate, "decisions", lambda _s, _d: (Decision("devops", "ann", frozenset({"cost"}), DUE),))
    monkeypatch.setattr(gate, "plan_of_run", lambda *_: None)
    monkeypatch.setattr(ledger, "latest_steps", lambda *_: [])
    signing = signing_of_run(NOTHING, WINDOW)
    assert signing is not None
    assert [task.name for task in signing.tasks if task.state == sheets.SIGNED] == ["cost"]


def test_waiting_for_the_sign_off_does_not_make_a_window_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The signed page may come a day later; the work was over when its sheet was drawn up."""
    monkeypatch.setattr(gate, "sheet_of_run", lambda *_: _kept(sheets.SIGN_OFF))
    assert told.ended(NOTHING, WINDOW) == DUE + timedelta(hours=2)
