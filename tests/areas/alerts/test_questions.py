"""A question that nobody answers is told once, when its time is nearly over, and its end is told too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from sandbox.postgres import Cluster
from tests.stages.judging import DAY, DUE, look, outbox, reported, window
from tests.stages.ledger import Ledger, upgraded, write
from tests.stages.plans import action, answer, show
from upkeep.core.windows import Window, WindowKind
from upkeep.gate import sheets
from upkeep.gate.plan_store import add_plan, add_sheet
from upkeep.gate.plans.model import Plan

MINUTE = timedelta(minutes=1)
PLAN_UNTIL = DUE + 120 * MINUTE - timedelta(milliseconds=1500)


@pytest.fixture
def book(cluster: Cluster) -> Iterator[Ledger]:
    """A ledger of the test's own."""
    with upgraded(cluster) as found:
        yield found


def weekly(weeks: int = 0, **fields: Any) -> Window:
    """A weekly window of the target, two hours long."""
    due = DUE + 7 * weeks * DAY
    about = {"cadence": "weekly", "dag_id": "maintenance_weekly", "run_id": f"w{weeks}", "instance": f"w{weeks}"}
    return replace(window(), due=due, deadline=due + 120 * MINUTE, **about | fields)


def asked(book: Ledger, at: datetime, digest: str, *roles: str) -> None:
    """Each of the roles is asked at that moment."""
    for role in roles:
        show(book, digest, role, ["1"], ["ann"])
    book.change("UPDATE upkeep.shown SET shown_at = %s WHERE digest = %s", at, digest)


def planned(book: Ledger, about: Window, *roles: str) -> str:
    """A plan of one action that these roles are asked for when its window begins; its digest."""
    plan = Plan(
        target=about.target,
        cadence=about.cadence,
        dag_id=about.dag_id,
        run_id=about.run_id,
        due=about.due,
        requested_by="the schedule",
        database="platform",
        not_before=about.due,
        not_after=about.deadline,
        outside=False,
        actions=(action("1", roles=roles),),
        instance=about.instance,
    )
    write(book, about)
    with book.session() as session:
        digest = add_plan(session, about, plan, {}).digest
    asked(book, about.due, digest, *roles)
    return digest


def test_a_plan_that_waits_is_told_once_shortly_before_its_time_is_over(book: Ledger) -> None:
    """Half an hour before, for all roles together; not again when the time is over; over when the next one asks."""
    planned(book, weekly(), "dba", "devops")
    look(book, now=PLAN_UNTIL - 31 * MINUTE)
    assert outbox(book, "email") == []
    cause = "from Database Administrator and DevOps Engineer: weekly plan"
    for minutes in (30, 20, -5):
        look(book, now=PLAN_UNTIL - minutes * MINUTE)
    reported(book, weekly())
    look(book, now=PLAN_UNTIL + 3 * DAY)
    assert outbox(book, "email") == [("new", f"No answer yet {cause}")]
    assert outbox(book, "sms") == []
    ((body,),) = book.ask("SELECT body FROM upkeep.outbox WHERE channel = 'email'")
    note = body["notes"][0]
    assert "weekly plan: 1 action (1 × vacuum)" in note["detail"] and "until 2026-11-29 03:59 UTC" in note["detail"]
    assert (note["owner"], note["remedy"]) == (
        "Database Administrator and DevOps Engineer",
        "Answer in Airflow, run w0.",
    )
    tried = replace(weekly(), due=DUE + DAY, deadline=DUE + 2 * DAY, period_end=DUE + DAY)
    write(book, replace(tried, kind=WindowKind.MANUAL, run_id="dry_run"))
    look(book, now=DUE + 2 * DAY)
    assert outbox(book, "email")[1:] == []
    planned(book, weekly(1), "dba", "devops")
    look(book, now=DUE + 7 * DAY)
    assert outbox(book, "email")[1:] == [("over", f"No answer {cause}")]


def test_an_answer_ends_it_and_one_in_time_is_never_told(book: Ledger) -> None:
    """Of two roles one has answered: the other alone is named."""
    digest = planned(book, weekly(), "dba", "devops")
    answer(book, digest, "dba", "ann")
    look(book, now=PLAN_UNTIL - 10 * MINUTE)
    answer(book, digest, "devops", "bob")
    look(book, now=PLAN_UNTIL - 5 * MINUTE)
    cause = "No answer yet from DevOps Engineer: weekly plan"
    assert outbox(book, "email") == [("new", cause), ("over", cause)]


def test_what_was_asked_late_is_told_when_half_of_its_time_has_gone(book: Ledger) -> None:
    """Twenty minutes before the end: ten minutes later."""
    digest = planned(book, weekly(), "dba")
    asked_at = PLAN_UNTIL - 20 * MINUTE
    book.change("UPDATE upkeep.shown SET shown_at = %s WHERE digest = %s", asked_at, digest)
    assert look(book, now=asked_at + 9 * MINUTE).open == 0
    assert look(book, now=asked_at + 10 * MINUTE).open == 1


def test_a_run_that_was_deleted_asks_nothing(book: Ledger) -> None:
    """Withdrawn before it was told: nobody hears. One that ended with a report had no answer, and is told."""
    planned(book, weekly(), "dba")
    gone = {"alive": lambda run: run.instance != "w0"}
    assert look(book, now=PLAN_UNTIL - MINUTE, **gone).open == 0
    reported(book, weekly())
    assert look(book, now=PLAN_UNTIL + MINUTE, **gone).open == 1


@pytest.mark.parametrize("purpose", [sheets.SIGN_ON, sheets.ATTEST, sheets.SIGN_OFF])
def test_each_kind_of_sheet_is_told(book: Ledger, purpose: str) -> None:
    """Sign-on, attestation and sign-off; the sign-off comes after the report."""
    about = weekly(cadence="monthly", dag_id="maintenance_monthly")
    reported(book, about)
    until = DUE + 60 * MINUTE
    item = sheets.SheetItem("1", "lead", "One", "G23", "", "says")
    sheet = sheets.Sheet(
        purpose, about.target, "monthly", about.dag_id, about.run_id, about.due, until, (item,), about.instance
    )
    with book.session() as session:
        digest = add_sheet(session, about, sheet, {}).digest
    asked(book, DUE, digest, "lead")
    assert look(book, now=until - 31 * MINUTE, channels=("email",)).messages == ()
    look(book, now=until - 30 * MINUTE, channels=("email",))
    assert outbox(book, "email") == [("new", f"No answer yet from Technical Lead: monthly {purpose}")]


def test_a_plan_that_was_changed_in_the_ledger_is_no_question(book: Ledger) -> None:
    """Nobody can answer it, and its report says so; the rest is judged as ever."""
    digest = planned(book, weekly(), "dba")
    book.change("ALTER TABLE upkeep.plans DISABLE TRIGGER ALL")
    book.change("UPDATE upkeep.plans SET body = replace(body, 'vacuum', 'drop') WHERE digest = %s", digest)
    assert look(book, now=PLAN_UNTIL).open == 0
