"""A function's rollback (G104): a real twin before the question and after the answer, which a real ledger holds."""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.stages.ledger import Ledger, write
from tests.stages.signing import SIGNER, pinned
from tests.stages.twin import LEGACY_KEY, Twin
from tests.stages.twin import platform as platform  # noqa: PLC0414  # a fixture
from tests.stages.twin import twin as twin  # noqa: PLC0414  # a fixture
from tests.stages.twin import twin_dsn as twin_dsn  # noqa: PLC0414  # a fixture
from upkeep.areas.backups import rollback
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, NotCollected
from upkeep.core.windows import Window, WindowKind
from upkeep.gate import sheets
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import add_sheet
from upkeep.gate.sheets import Sheet, SheetItem
from upkeep.ledger.write import LookResult, StepRecord
from upkeep.settings.base import ROOT
from upkeep.settings.load import Settings, settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from airflow.providers.http.hooks import http as _http  # noqa: F401  # imported by functions() when it is called

    from upkeep.flow.connections import functions

OK, CRITICAL, UNKNOWN = Level.OK, Level.CRITICAL, Level.UNKNOWN
FUNCTION, OTHERS = (
    "trust-scorer",
    {"rollback:error-tracking", "rollback:production-monitoring", "rollback:gdpr-compliance"},
)
BEFORE, AFTER = "evidence.rollback.function_health", "after.rollback.function_health"
NOW = datetime.now(UTC)


@pytest.fixture(scope="module")
def config() -> Settings:
    """As shipped, with the tests' key pinned; a call is tried once."""
    shipped = settings(ROOT / "config")
    main = pinned(shipped.maintenance)
    once = main.http.model_copy(update={"attempts": 1})
    return shipped.model_copy(update={"maintenance": main.model_copy(update={"http": once})})


@pytest.fixture
def month() -> Window:
    """A monthly window of a target's that no other test has."""
    return Window(
        target=f"target_{secrets.token_hex(4)}",
        cadence="monthly",
        kind=WindowKind.CALENDAR,
        due=NOW,
        deadline=NOW + timedelta(hours=4),
        period_start=NOW - timedelta(days=28),
        period_end=NOW,
        run_id=f"scheduled__{secrets.token_hex(4)}",
        dag_id="maintenance_monthly",
        requested_by="the schedule",
        instance="1",
    )


Look = Callable[[str], dict[str, Finding]]


@pytest.fixture
def look(book: Ledger, twin: Twin, config: Settings, month: Window, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Carry out the look of a step and keep what it saw, as its task does."""
    content = {"conn_type": "http", "host": twin.url, "password": LEGACY_KEY}
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_FUNCTIONS", json.dumps(content))
    nothing: Any = None

    def carried_out(step: str) -> dict[str, Finding]:
        (target,) = config.targets
        sources = Sources(
            target=target,
            window=month,
            step=step,
            config=config,
            ledger=book.session,
            writing=nothing,
            read=nothing,
            replicas=nothing,
            functions=functions,
            connection=nothing,
            postgres=nothing,
            called=frozenset(),
            ending=[],
            seconds=0,
        )
        seen = rollback.inspect(sources)
        write(book, month, StepRecord(step, "ran", "", "health_check", NOW, looked=LookResult(seen.findings)))
        return {finding.key: finding for finding in seen.findings}

    return carried_out


def answer(book: Ledger, month: Window, *ids: str) -> None:
    """The sheet of this run, and what its owner said to it."""
    end = month.due + timedelta(hours=2)
    item = SheetItem("rollback", "devops", "Rollback of a function's deployment", "G104", "", "7 findings: 7 ok")
    sheet = Sheet(
        sheets.ATTEST, month.target, "monthly", month.dag_id, month.run_id, month.due, end, (item,), month.instance
    )
    shown = {"task_id": "attest.devops", "map_index": -1, "try_number": 1, "role": "devops", "body_digest": ""}
    with book.session() as session:
        stored = add_sheet(session, month, sheet, {})
        shown |= {"digest": stored.digest, "action_ids": ["rollback"], "asked": ["omar"]}
        number = add_shown(session, month, shown, SIGNER)
        decision = Decision("devops", "omar", frozenset(ids), month.due + timedelta(minutes=5))
        add_decision(session, stored.digest, number, decision, SIGNER)


@pytest.mark.guide("G104", "silent")
def test_a_rollback_that_is_attested_and_healthy_is_ok(book: Ledger, twin: Twin, month: Window, look: Look) -> None:
    """The version of before and after stands in the report, told by the functions themselves."""
    was = look(BEFORE)
    assert {finding.level for finding in was.values()} == {OK}
    assert was.keys() >= OTHERS and "rollback" not in was
    answer(book, month, "rollback")
    with twin.fault(FUNCTION, "rolled_back"):
        now = look(AFTER)
    assert {finding.level for finding in now.values()} == {OK}
    assert now["rollback"].detail.startswith("attested by omar, ")
    assert now["rollback"].detail.endswith(f"; {FUNCTION} is at version 1, was at 2")
    assert ", version 1; before the question: health " in now[f"rollback:{FUNCTION}"].detail
    assert now[f"rollback:{FUNCTION}"].metadata["version"] == "1"


@pytest.mark.guide("G104", "fires", "silent")
def test_a_function_that_does_not_answer_afterwards_is_critical_until_it_does(
    book: Ledger, twin: Twin, month: Window, look: Look
) -> None:
    """What is wrong and which version to deploy again; the other functions are as they were."""
    look(BEFORE)
    answer(book, month, "rollback")
    with twin.fault(FUNCTION, "http_500"):
        broken = look(AFTER)
    assert {key for key, finding in broken.items() if finding.level is not OK} == {f"rollback:{FUNCTION}"}
    found = broken[f"rollback:{FUNCTION}"]
    assert found.level is CRITICAL
    assert found.detail.startswith("no answer: ") and "WORKER_ERROR" in found.detail
    assert found.remedy.startswith("Deploy version 2 again")
    mended = look(AFTER)
    assert {finding.level for finding in mended.values()} == {OK}
    assert "each is at the version of before" in mended["rollback"].detail


@pytest.mark.guide("G104", "fires")
def test_what_was_broken_before_the_question_is_no_rollbacks_fault(
    book: Ledger, twin: Twin, month: Window, look: Look
) -> None:
    """Unknown both times, with what to do first."""
    with twin.fault(FUNCTION, "http_500"):
        was = look(BEFORE)
        answer(book, month, "rollback")
        now = look(AFTER)
    for seen in (was, now):
        assert {key for key, finding in seen.items() if finding.level is not OK} == {f"rollback:{FUNCTION}"}
        assert seen[f"rollback:{FUNCTION}"].level is UNKNOWN
    assert "before a deployment is touched" in was[f"rollback:{FUNCTION}"].remedy


@pytest.mark.guide("G104", "fires")
@pytest.mark.parametrize(("asked", "why"), [(False, "nobody was asked"), (True, "declined")])
def test_what_nobody_attests_is_unknown(book: Ledger, month: Window, look: Look, asked: bool, why: str) -> None:
    """However healthy the functions are."""
    look(BEFORE)
    if asked:
        answer(book, month)
    found = look(AFTER)["rollback"]
    assert (found.level, found.guide) == (UNKNOWN, "G104")
    assert found.detail.startswith(f"not attested ({why})")
    assert "Upkeep deploys nothing" in found.remedy


def test_without_a_look_before_the_question_nothing_is_compared(book: Ledger, month: Window, look: Look) -> None:
    """The group was left out, or its step failed."""
    write(book, month)
    with pytest.raises(NotCollected, match="nothing was collected before the question"):
        look(AFTER)


@pytest.mark.parametrize(
    ("was", "now", "level"),
    [
        (100.0, 94.0, Level.WARNING),
        (100.0, 80.0, CRITICAL),
        (94.0, 93.0, OK),
        (80.0, 94.0, OK),
        (None, 90.5, Level.WARNING),
    ],
)
def test_a_worse_band_of_health_than_before_is_said(
    config: Settings, was: float | None, now: float, level: Level
) -> None:
    """By the guide's band of overall health; what was as bad before is not the rollback's."""
    bands = config.thresholds.metrics["overall_health"]
    found, _ = rollback.compared({"f": rollback.State(was)}, {"f": rollback.State(now)}, bands, None)
    assert found.level is level


def test_functions_that_tell_no_version_leave_it_to_the_owners_word(config: Settings) -> None:
    """The report says so, and claims nothing more."""
    bands = config.thresholds.metrics["overall_health"]
    item = SheetItem("rollback", "devops", "Rollback", "G104", "", "")
    signed = sheets.Signature(item, sheets.SIGNED, "omar", NOW)
    *_, found = rollback.compared({"f": rollback.State(99.0)}, {"f": rollback.State(99.0)}, bands, signed)
    assert found.level is OK
    assert "no function tells its version: which one was rolled back is the owner's word" in found.detail
