"""The month report: a verdict per task, whose name stands under it, and what is missing said aloud."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.stages.reports import Page, finding
from tests.stages.weekly_reports import step
from tests.stages.weekly_reports import weekly as weekly_report
from upkeep.core.findings import Level
from upkeep.gate.sheets import DECLINED, NO_ANSWER, SIGNED, VOID, SheetItem, Signature
from upkeep.ledger import acknowledgements
from upkeep.report.checklist import checklist
from upkeep.report.document import to_json
from upkeep.report.headline import headline
from upkeep.report.model import NOT_COLLECTED, Report, StepResult
from upkeep.report.page import to_html
from upkeep.report.signatures import Task, WindowSignatures, signature_findings
from upkeep.settings.exceptions import Acknowledgement

DUE = datetime(2026, 12, 6, 2, tzinfo=UTC)
AT = DUE + timedelta(minutes=10)


def signature(name: str, state: str = SIGNED, person: str = "sana", comment: str = "") -> Signature:
    """An answer ten minutes after the window opened, or none."""
    item = SheetItem(name, "security", name.title(), "G24", "aa11", "2 findings: 2 ok")
    return Signature(item, state, person, AT, comment) if state != NO_ANSWER else Signature(item, state)


def task(
    name: str = "audit", one: Signature | None = None, worst: Level | None = Level.OK, evidence: str = "aa11"
) -> Task:
    """One of the guide's tasks."""
    return Task(name, "G24", f"The {name}", "Security Engineer", worst, "2 findings: 2 ok", evidence, one)


def signing(*tasks: Task, sign_off: Signature | None = None) -> WindowSignatures:
    """Signed on by two roles, with some tasks."""
    return WindowSignatures(
        (signature("dba"), signature("lead", person="lena")), tasks, sign_off, "dd", (("1", "done"),)
    )


def monthly(one: WindowSignatures, *steps: StepResult) -> Report:
    """The report of a December window."""
    own = signature_findings(one)
    return replace(weekly_report(*steps), cadence="monthly", due=DUE, made_at=AT, signing=one, own=own, last_due=None)


@pytest.mark.guide("G23", "G24", "G26-G30", "fires", "silent")
@pytest.mark.parametrize("state", [NO_ANSWER, DECLINED, VOID])
def test_a_name_that_is_missing_is_a_warning_until_it_is_there(state: str) -> None:
    """G23-G30: unanswered, declined or void, of sign-on, attestation and sign-off; silent once all have signed."""
    good = signing(task(one=signature("audit")), sign_off=signature("window", person="lena"))
    assert signature_findings(good) == ()
    bad = WindowSignatures(
        (signature("dba", state),), (task(one=signature("audit", state)),), signature("window", state)
    )
    found = {one.key: one for one in signature_findings(bad)}
    assert set(found) == {"sign_on:security", "attestation:audit", "sign_off:window"}
    assert {one.level for one in found.values()} == {Level.WARNING}
    words = {NO_ANSWER: "nobody answered in time", DECLINED: "it was declined by sana", VOID: "has changed since"}
    assert words[state] in found["attestation:audit"].detail


def test_a_task_for_which_nothing_was_collected_warns_of_no_missing_name() -> None:
    """Nobody was asked; that it was not collected is the step's own finding."""
    assert signature_findings(signing(task("recovery", None, None, ""))) == ()


def test_why_somebody_declined_is_told() -> None:
    """The comment stands in the finding."""
    (found,) = signature_findings(signing(task(one=signature("audit", DECLINED, comment="two admins nobody knows"))))
    assert found.detail == "it was declined by sana: two admins nobody knows"


def test_the_page_shows_each_task_with_its_verdict_its_owner_and_whose_name_stands_under_it() -> None:
    """State in words, person, time, digest; a task without evidence says not collected."""
    one = signing(task("audit", signature("audit"), Level.CRITICAL, "aa11" * 16), task("recovery", None, None, ""))
    page = Page(to_html(monthly(one, step("evidence.audit.audit", finding("critical", "audit:x")))))
    for words in ("The audit", "G24 · Security Engineer", "signed", "sana", "2026-12-06 02:10 UTC", "aa11aa11aa11"):
        assert words in page.text
    assert "not collected" in page.text and "nobody was asked" in page.text
    assert "Not asked for yet: it follows this report." in page.text


def test_the_signed_page_says_what_was_signed_and_by_whom() -> None:
    """The sign-off names the report and the digest; hostile text does nothing."""
    hostile = signature("window", person="<b>lena</b>", comment="<script>alert(1)</script>")
    page = to_html(monthly(signing(task(one=signature("audit")), sign_off=hostile)))
    assert "<script" not in page and "<b>lena</b>" not in page
    assert "&lt;b&gt;lena&lt;/b&gt;" in page


def test_the_headline_counts_names() -> None:
    """How many signed on, how many tasks are attested, and that it was signed off."""
    one = signing(task("audit", signature("audit")), task("cost", signature("cost", NO_ANSWER)))
    step_of = step("evidence.audit.audit", finding("ok", "audit:x"))
    assert headline(monthly(one, step_of)).startswith("2 of 2 roles signed on, 1 of 2 tasks attested; ")
    done = signing(task("audit", signature("audit")), sign_off=signature("window"))
    assert "1 of 1 task attested, signed off" in headline(monthly(done, step_of))


def test_the_json_holds_every_name() -> None:
    """Roles, people, times, digests, and the digest that a sign-off is about."""
    one = signing(task("audit", signature("audit")), sign_off=signature("window", person="lena"))
    told = to_json(monthly(one))["signing"]
    assert [row["person"] for row in told["sign_on"]] == ["sana", "lena"]
    (row,) = told["tasks"]
    assert (row["name"], row["state"], row["person"], row["evidence"]) == ("audit", "signed", "sana", "aa11")
    assert (told["sign_off"]["person"], told["digest"]) == ("lena", one.digest)


def test_what_is_signed_off_is_all_of_it() -> None:
    """Another digest once evidence, a signature, the plan or an outcome is another; the sign-off itself is no part."""
    one = signing(task("audit", signature("audit")))
    others = (
        signing(task("audit", signature("audit"), evidence="bb22")),
        signing(task("audit", signature("audit", DECLINED))),
        signing(task("audit", signature("audit", person="sam"))),
        replace(one, plan="ee"),
        replace(one, outcomes=(("1", "not done"),)),
        replace(one, sign_on=one.sign_on[:1]),
    )
    assert len({one.digest, *(other.digest for other in others)}) == len(others) + 1
    assert replace(one, sign_off=signature("window")).digest == one.digest


@pytest.mark.guide("G128-G132", "fires", "silent")
@pytest.mark.parametrize(
    ("guide", "name"),
    [("G128", "audit"), ("G129", "recovery"), ("G130", "baselines"), ("G131", "cost"), ("G132", "documentation")],
)
def test_a_row_of_the_monthly_checklist_follows_its_evidence_and_its_owner(guide: str, name: str) -> None:
    """G128-G132: look at it, ok, not collected; acknowledged by whoever attested the task, and by nobody else."""

    def row(level: str, state: str = "ran", signed: str = SIGNED) -> tuple[str, tuple[str, ...]]:
        gone = {"state": NOT_COLLECTED, "reason": "no wire"} if state != "ran" else {}
        one = step(f"evidence.{name}.look", *([finding(level, "x:y")] if state == "ran" else []), **gone)
        report = monthly(signing(task(name, signature(name, signed))), one)
        (found,) = (item for item in checklist(report) if item.guide == guide)
        return found.state, found.reviewed

    assert row("warning") == ("look at it", ("sana",))
    assert row("ok") == ("evidence ok", ("sana",))
    assert row("ok", signed=VOID) == ("evidence ok", ())
    assert row("ok", "gone", NO_ANSWER) == ("not collected", ())


def test_what_is_acknowledged_stands_in_the_report_with_its_end() -> None:
    """Open exceptions with reason, name, end and state; hostile text is shown and does nothing; none, no section."""
    entry = Acknowledgement(
        key="audit:rls_off:public.*", reason="<script>until June</script>", by="Ann", expires=AT.date()
    )
    found = finding("warning", "audit:rls_off:public.a")
    open_ones = acknowledgements.open_exceptions([found], [entry], AT)
    report = replace(monthly(signing()), exceptions=open_ones)
    page = to_html(report)
    assert "<script" not in page
    for words in ("Acknowledged, and until when", "audit:rls_off:public.*", "Ann", "2026-12-06", "in force", "1 now"):
        assert words in Page(page).text
    (row,) = to_json(report)["exceptions"]
    assert (row["by"], row["state"], row["findings"]) == ("Ann", "in force", 1)
    assert "Acknowledged, and until when" not in to_html(monthly(signing()))


def test_last_months_forecasts_stand_beside_what_came() -> None:
    """A row for each: what was said, its interval, what came and whether that lay inside."""
    row = {"metric": "database_bytes", "days": 30, "said": 2.0**30, "low": 2.0**29, "high": 2.0**31, "came": 2.0**32}
    tests = [row | {"unit": "bytes", "error_percent": -75.0, "inside": False}]
    one = step("evidence.capacity.scaling", finding("advisory", "scaling:backtest", metadata={"tests": tests}))
    page = Page(to_html(monthly(signing(), one))).text
    for words in ("database bytes", "30 days ago", "1.0 GB", "512 MB to 2.0 GB", "4.0 GB", "outside", "-75 %"):
        assert words in page
