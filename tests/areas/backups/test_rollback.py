"""A function's rollback (G104): a real twin before the question and after the answer, which a real ledger holds."""

from __future__ import annotations

import json
import secrets
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from tests.stages.ledger import Ledger, write
from tests.stages.proposed import days, planned
from tests.stages.server import Server
from tests.stages.server import answer as served
from tests.stages.signing import SIGNER, pinned
from tests.stages.stage import Stage
from tests.stages.twin import LEGACY_KEY, Twin
from tests.stages.twin import platform as platform  # noqa: PLC0414  # a fixture
from tests.stages.twin import twin as twin  # noqa: PLC0414  # a fixture
from tests.stages.twin import twin_dsn as twin_dsn  # noqa: PLC0414  # a fixture
from upkeep.areas.backups import rollback
from upkeep.areas.backups.rollback import State
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, NotCollected
from upkeep.core.windows import Window, WindowKind
from upkeep.gate import sheets
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import add_sheet
from upkeep.gate.sheets import Sheet, SheetItem
from upkeep.ledger.read import latest_steps
from upkeep.ledger.write import LookResult, StepRecord
from upkeep.report.evidence import by_task
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
SIGNED = sheets.Signature(SheetItem("rollback", "devops", "Rollback", "G104", "", ""), sheets.SIGNED, "omar", NOW)
LONG = "v" * 70


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


def connected(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    """The Connection to the functions."""
    content = {"conn_type": "http", "host": url, "password": LEGACY_KEY}
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_FUNCTIONS", json.dumps(content))


def carried_out(book: Ledger, config: Settings, month: Window, step: str) -> dict[str, Finding]:
    """Carry out the look of a step and keep what it saw, as its task does."""
    nothing: Any = None
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
        trusted=nothing,
        called=frozenset(),
        ending=[],
        seconds=0,
    )
    seen = rollback.inspect(sources)
    write(book, month, StepRecord(step, "ran", "", "health_check", NOW, looked=LookResult(seen.findings)))
    return {finding.key: finding for finding in seen.findings}


@pytest.fixture
def look(book: Ledger, twin: Twin, config: Settings, month: Window, monkeypatch: pytest.MonkeyPatch) -> Look:
    """Looks at the twin."""
    connected(monkeypatch, twin.url)
    return partial(carried_out, book, config, month)


def evidence_now(book: Ledger, month: Window) -> str:
    """The digest of what the task's steps have seen by now."""
    with book.session() as session:
        return by_task(latest_steps(session, month))["rollback"].digest


def answer(book: Ledger, month: Window, *ids: str) -> None:
    """The sheet of this run with the evidence so far, and what its owner said to it."""
    end = month.due + timedelta(hours=2)
    evidence = evidence_now(book, month)
    item = SheetItem("rollback", "devops", "Rollback of a function's deployment", "G104", evidence, "7 findings: 7 ok")
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
    assert "of 7 of 7 functions that tell a version, none moved: " in mended["rollback"].detail


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
        (100.0, 100.0, OK),
        (None, None, OK),
        (None, 90.5, UNKNOWN),
        (99.0, None, UNKNOWN),
        (99.0, -1.0, UNKNOWN),
        (300.0, 94.0, UNKNOWN),
        (300.0, 99.0, UNKNOWN),
    ],
)
def test_a_worse_band_of_health_than_before_is_said(
    config: Settings, was: float | None, now: float, level: Level
) -> None:
    """By the guide's band of overall health; what was as bad before is not the rollback's.

    What only one look tells, and what no health can be, is compared with nothing.
    """
    bands = config.thresholds.metrics["overall_health"]
    about = rollback.Question({"f": State(was)})
    found, _ = rollback.compared(about, {"f": State(now)}, bands)
    assert found.level is level
    assert found.detail.startswith("not comparable: ") is (level is UNKNOWN)
    (alone,) = rollback.first({"f": State(now)}, bands)
    assert alone.level is (UNKNOWN if now == -1 else OK)


@pytest.mark.parametrize(("now", "level"), [(99.0, OK), (80.0, UNKNOWN)])
def test_what_did_not_answer_before_is_ok_only_where_it_is_healthy_now(
    config: Settings, now: float, level: Level
) -> None:
    """How bad it was is not known."""
    about = rollback.Question({"f": State(problem="HTTP 500")})
    found, _ = rollback.compared(about, {"f": State(now)}, config.thresholds.metrics["overall_health"])
    assert found.level is level


@pytest.mark.guide("G104", "fires", "silent")
def test_evidence_that_was_collected_anew_after_the_question_is_compared_with_nothing(
    book: Ledger, twin: Twin, month: Window, look: Look
) -> None:
    """A function that crashed in the rollback would else have been "broken before"; the signature is void as well."""
    look(BEFORE)
    answer(book, month, "rollback")
    signed = evidence_now(book, month)
    with twin.fault(FUNCTION, "http_500"):
        look(BEFORE)
        now = look(AFTER)
    assert evidence_now(book, month) != signed
    assert {finding.level for finding in now.values()} == {UNKNOWN}
    assert all("collected anew after the question" in finding.detail for finding in now.values())
    assert all(finding.remedy.startswith("Start a new run") for finding in now.values())


@pytest.mark.guide("G104", "fires", "silent")
def test_health_is_judged_by_the_thresholds_in_force(
    stage: Stage, config: Settings, month: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    """97 % after 99.9 % is ok by the file, and a warning by what people have approved."""
    ours = replace(month, target=stage.name)

    def after(percent: float) -> Level:
        for step, health in ((BEFORE, 99.9), (AFTER, percent)):
            said = json.dumps({"success": True, "result": {"overall_health_percent": health}})
            with Server(served("200 OK", said, Content_Type="application/json")) as server:
                connected(monkeypatch, server.url)
                seen = carried_out(stage.ledger, config, ours, step)
        return seen[f"rollback:{FUNCTION}"].level

    assert after(97.0) is OK
    days(stage, [99.7, 99.8, 99.9, 99.9, 99.9, 99.9, 100.0] * 4, "overall_health")
    stored = planned(stage)
    assert stage.apply(stage.decide(stored))["overall_health"].state == "done"
    assert after(97.0) is not OK
    assert after(99.9) is OK


@pytest.mark.parametrize(
    ("version", "told"), [(1.5, ""), (True, ""), ({}, ""), (["2"], ""), (None, ""), (7, "7"), ("v7 ", "v7")]
)
def test_a_version_of_another_type_is_not_told_and_harms_nothing(version: object, told: str) -> None:
    """The field is for people: the health beside it is taken all the same."""
    body = json.dumps({"success": True, "result": {"overall_health_percent": 99, "version": version}}).encode()
    assert rollback.state(FUNCTION, lambda _: body) == State(99, told)


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ({"f": "2", "g": "5"}, {"f": "", "g": "5"}, "f told 2, tells none now"),
        ({"f": "", "g": "5"}, {"f": "3", "g": "5"}, "f told no version, tells 3 now"),
        ({"f": "2", "g": ""}, {"f": "2", "g": ""}, "of 1 of 2 functions that tell a version, none moved"),
        ({"f": f"{LONG}1"}, {"f": f"{LONG}2"}, f"f is at version {LONG[:59]}…, was at {LONG[:59]}…"),
    ],
)
def test_which_version_moved_is_told_by_all_of_it(
    config: Settings, was: dict[str, str], now: dict[str, str], said: str
) -> None:
    """Also beyond what is shown, and where one is told no more."""
    about = rollback.Question({name: State(99.0, version) for name, version in was.items()}, SIGNED)
    states = {name: State(99.0, version) for name, version in now.items()}
    *_, found = rollback.compared(about, states, config.thresholds.metrics["overall_health"])
    assert f"; {said}" in found.detail


@pytest.mark.parametrize(
    ("signature", "was", "now", "remedy"),
    [
        (True, "2", "1", "Deploy version 2 again"),
        (True, "2", "", "Deploy version 2 again"),
        (True, "", "", "Deploy the version of before again"),
        (True, "2", "2", "Look why"),
        (False, "2", "1", "Look why"),
    ],
)
def test_a_deployment_is_to_be_repeated_only_where_one_may_have_been_touched(
    config: Settings, signature: bool, was: str, now: str, remedy: str
) -> None:
    """Its version moved or is not told, and the owner attests a rollback."""
    about = rollback.Question({"f": State(99.0, was)}, SIGNED if signature else None)
    found, _ = rollback.compared(about, {"f": State(80.0, now)}, config.thresholds.metrics["overall_health"])
    assert found.level is CRITICAL
    assert found.remedy.startswith(remedy)


def test_functions_that_tell_no_version_leave_it_to_the_owners_word(config: Settings) -> None:
    """The report says so, and claims nothing more."""
    bands = config.thresholds.metrics["overall_health"]
    *_, found = rollback.compared(rollback.Question({"f": State(99.0)}, SIGNED), {"f": State(99.0)}, bands)
    assert found.level is OK
    assert "no function tells its version: which one was rolled back is the owner's word" in found.detail
