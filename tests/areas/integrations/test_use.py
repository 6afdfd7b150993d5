"""The steps of the monthly review on a real ledger: what was used, which items had a result, both operators."""

from __future__ import annotations

import json
import warnings
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import yaml

from sandbox.postgres import HOST
from tests.stages.ledger import DAY, DUE, Ledger, finding, later, record, write
from tests.stages.server import Server, answer
from upkeep.areas.documents.look import guide_results
from upkeep.areas.integrations import look as judging
from upkeep.areas.integrations.look import last_use
from upkeep.core.findings import Level, Sample
from upkeep.core.windows import Window
from upkeep.ledger.write import FunctionAnswer, LookResult, StepRecord
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires.functions.contract import FUNCTIONS

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.operators import LookOperator


PERIOD = (DUE - 28 * DAY, DUE)


def used(book: Ledger, window: Window) -> set[str]:
    """The kinds of Connection that the target's steps have used."""
    with book.session() as session:
        found = last_use(session, window.target, DUE - judging.REACH)
    assert all(isinstance(at, datetime) for at in found.values())
    return set(found)


def stepped(source: str, *findings: Any, state: str = "ran", answered: bool = False) -> StepRecord:
    """A step that looked at this."""
    said = FunctionAnswer("production-monitoring", "system_status", "{}") if answered else None
    return StepRecord("a.step", state, "", source, DUE, looked=LookResult(findings, answer=said))


@pytest.mark.guide("G29", "holds")
@pytest.mark.parametrize(
    ("step", "kinds"),
    [
        (stepped("include/sql/database/connections.sql"), {"read"}),
        (stepped("include/sql/ledger/weeks.sql"), set()),
        (stepped("production-monitoring system_status", answered=True), {"functions"}),
        (stepped("production-monitoring system_status"), set()),
        (stepped("npm audit"), {"registry"}),
        (stepped("npm audit", finding("npm:audit", Level.UNKNOWN)), set()),
        (stepped("the backup folder", finding("backups:x", Level.CRITICAL)), {"backups"}),
        (stepped("the backup folder", finding("backups:x", Level.UNKNOWN)), set()),
    ],
    ids=range(8),
)
def test_a_use_is_one_with_success(book: Ledger, window: Window, step: StepRecord, kinds: set[str]) -> None:
    """A step that ran has used the ledger; what else, its source says; what failed, or is too old, has used nothing."""
    assert used(book, window) == set()
    write(book, window, replace(step, state="failed"))
    assert used(book, window) == set()
    write(book, later(window, -500), step)
    assert used(book, window) == set()
    write(book, window, step)
    assert used(book, window) == {"ledger", *kinds}


def test_a_receipt_is_a_use_of_the_connection_that_maintains(book: Ledger, window: Window) -> None:
    """Only of what was done, and of this target."""
    write(book, window, record())
    (number,) = book.ask("SELECT max(id) FROM upkeep.windows WHERE target = %s", window.target)[0]
    book.change("ALTER TABLE upkeep.permits DISABLE TRIGGER permit_holds")  # rows without a plan that people approved
    for digest, outcome in ((window.target, "not done"), (f"{window.target}2", "done")):
        assert "maintain" not in used(book, window)
        book.change(
            "INSERT INTO upkeep.plans (window_id, target, dag_id, run_id, digest, body, measured, checklist, not_after)"
            " VALUES (%s, %s, 'd', %s, %s, '{}', '{}', '[]', now())",
            *(number, window.target, digest, digest),
        )
        book.change(
            "WITH p AS (INSERT INTO upkeep.permits (digest, action_id, attempt, run_id, backend_pid, before)"
            " VALUES (%s, 'a', 1, 'r', 1, '{}') RETURNING id)"
            " INSERT INTO upkeep.receipts (permit_id, outcome, reason, ended_at, before, after)"
            " SELECT id, %s, '', now(), '{}', '{}' FROM p",
            *(digest, outcome),
        )
    book.change("ALTER TABLE upkeep.permits ENABLE TRIGGER permit_holds")
    assert "maintain" in used(book, window)


# Items of the guide ---------------------------------------------------------------------------------------------


def items(book: Ledger, window: Window) -> dict[str, tuple[int, bool]]:
    """Item → (days from the period's end to its last window, whether the period had a result)."""
    with book.session() as session:
        rows = guide_results(session, window.target, PERIOD)
    return {row["guide"]: ((row["last"] - DUE).days, row["inside"]) for row in rows}


def reported(*guides: str, level: Level = Level.OK, state: str = "ran", step: str = "a.step") -> StepRecord:
    """A step that had a finding of each of these items."""
    return record(*(finding(f"k:{guide}", level, guide=guide) for guide in guides), state=state, step=step)


def test_an_item_that_was_reported_before_and_not_in_the_period_is_missed(book: Ledger, window: Window) -> None:
    """The period is half-open: its first moment counts, its end belongs to the window that asks; other ids never do."""
    assert items(book, window) == {}
    write(book, later(window, -40), reported("G2", "G53", "G10", "X3", ""))
    write(book, later(window, -28), reported("G53"))
    write(book, later(window, -1), reported("G2"))
    write(book, window, reported("G10", "G99"))
    write(book, replace(later(window, -1), target="another"), reported("G10"))
    assert items(book, window) == {"G2": (-1, True), "G10": (-40, False), "G53": (-28, True)}
    write(book, later(window, -2), reported("G10", level=Level.CRITICAL))
    assert items(book, window)["G10"] == (-2, True)


def test_what_could_not_look_is_no_result(book: Ledger, window: Window) -> None:
    """An unknown finding, a failed step, a first try that a second has taken the place of, a year and more ago."""
    write(book, later(window, -401), reported("G1"))
    write(book, later(window, -40), reported("G2"))
    write(book, later(window, -3), reported("G2", level=Level.UNKNOWN))
    write(book, later(window, -2), reported("G2", state="failed"))
    write(book, later(window, -1), reported("G2"), reported("G3"))
    assert items(book, window) == {"G2": (-40, False), "G3": (-1, True)}


# The operators --------------------------------------------------------------------------------------------------


@pytest.fixture
def configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, book: Ledger) -> Any:
    """Writes a configuration of the test's own, with the ledger's Connections, for the operators of this process."""
    for name, value in book.environment(tmp_path).items():
        if name.startswith("AIRFLOW_CONN_"):
            monkeypatch.setenv(name, value)

    def put(target: str, **sections: Any) -> None:
        content = yaml.safe_load((ROOT / "config" / "maintenance.yaml").read_text())
        content["targets"] = {target: content["targets"]["primary"]}
        for section, fields in sections.items():
            content[section] |= fields
        for name in ("thresholds.yaml", "exceptions.yaml", "routing.yaml", "retention.yaml"):
            (tmp_path / name).write_text((ROOT / "config" / name).read_text())
        (tmp_path / "maintenance.yaml").write_text(yaml.safe_dump(content))
        monkeypatch.setenv("UPKEEP_CONFIG", str(tmp_path))
        settings.cache_clear()

    yield put
    settings.cache_clear()


SECRET = "Qx7vKp2mTz9"


def reachable(book: Ledger, monkeypatch: pytest.MonkeyPatch, functions: str) -> None:
    """The target's Connections: its functions, its reading role; the maintaining one cannot be read by Airflow."""
    for name, fields in {
        "FUNCTIONS": {"conn_type": "http", "host": functions, "password": f"sb_secret_{SECRET}"},
        "TARGET_READ": json.loads(book.environment(Path("/"))["AIRFLOW_CONN_UPKEEP_LEDGER_DASHBOARD"]),
    }.items():
        monkeypatch.setenv(f"AIRFLOW_CONN_UPKEEP_{name}", json.dumps(fields))
    monkeypatch.setenv("AIRFLOW_CONN_UPKEEP_TARGET_MAINTAIN", f"postgres://u:{SECRET}@h:{SECRET}/d")


@pytest.mark.guide("G29", "fires", "silent")
def test_every_connection_and_endpoint_is_reached_in_one_step(
    book: Ledger, window: Window, configured: Any, monkeypatch: pytest.MonkeyPatch, port: int, caplog: Any
) -> None:
    """What is well is ok, what is away a warning with its last success, what cannot be read a warning too."""
    with Server(answer("404 Not Found"), methods=("HEAD", "POST")) as server:
        endpoints = [{"name": "up", "url": server.url}, {"name": "down", "url": f"http://{HOST}:{port}"}]
        configured(window.target, integrations={"endpoints": endpoints})
        reachable(book, monkeypatch, server.url)
        before = Sample(judging.REACHED, 1.0, "", "endpoint down")
        write(book, later(window, -1), record(step="integrations", samples=(before,)))
        step = LookOperator(
            task_id="integrations", inspection="integrations", target=window.target, cadence="monthly", guide="G29"
        )
        looked = step.look(window)
    found = {one.key.removeprefix("integration:"): one for one in looked.findings}
    levels = {name: one.level for name, one in found.items() if not name.endswith(":use")}
    assert levels == {
        **dict.fromkeys(("functions", "read", "ledger.tasks", "ledger.dashboard", "endpoint up"), Level.OK),
        **{f"function {name}": Level.WARNING for name in FUNCTIONS},  # this server knows none
        "maintain": Level.WARNING,
        "endpoint down": Level.WARNING,
    }
    assert "no connection: Connection refused; last reached 20" in found["endpoint down"].detail
    assert found["maintain"].detail.startswith("Connection 'upkeep_target_maintain': found ")
    assert found["functions:use"].level is Level.ADVISORY
    assert found["ledger.tasks:use"].level is Level.OK
    assert {sample.subject for sample in looked.samples} == {name for name, one in levels.items() if one is Level.OK}
    assert SECRET not in repr(looked)
    assert not any(secret in repr(looked) for secret in book.passwords.values())
    assert not any(secret in caplog.text for secret in (SECRET, *book.passwords.values()))


@pytest.mark.guide("G29", "fires")
def test_a_connection_that_is_absent_is_a_warning_of_its_own(
    book: Ledger, window: Window, configured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others are looked at all the same."""
    configured(window.target)
    for name in ("FUNCTIONS", "TARGET_READ", "TARGET_MAINTAIN"):
        monkeypatch.delenv(f"AIRFLOW_CONN_UPKEEP_{name}", raising=False)
    write(book, window, record())
    step = LookOperator(
        task_id="integrations", inspection="integrations", target=window.target, cadence="monthly", guide="G29"
    )
    found = {one.key: one for one in step.look(window).findings}
    assert "found none; expected one of type http" in found["integration:functions"].detail
    assert found["integration:functions"].level is found["integration:function"].level is Level.WARNING
    assert found["integration:ledger.tasks"].level is Level.OK


@pytest.mark.guide("G28", "G138", "fires", "silent")
def test_the_documents_and_the_items_of_the_guide_are_reviewed_in_one_step(
    book: Ledger, window: Window, configured: Any, tmp_path: Path
) -> None:
    """Without a document that is unknown and the items are known all the same; with one, all of it."""
    month = replace(window, cadence="monthly", period_start=PERIOD[0], period_end=PERIOD[1])
    write(book, later(window, -40), reported("G2", "G53"))
    write(book, later(window, -1), reported("G2"))
    configured(window.target)
    step = LookOperator(
        task_id="documents", inspection="documents", target=window.target, cadence="monthly", guide="G138"
    )
    shipped = {one.key: one.level for one in step.look(month).findings}
    items = {"guide_item:G53": Level.ADVISORY, "guide_items": Level.OK}
    assert shipped == {"document:guide": Level.UNKNOWN, **items}
    today = datetime.now(UTC).date()
    guide = tmp_path / "guide.md"
    for updated, target, level in ((today, "#guide", Level.OK), (today - timedelta(days=40), "gone.md", Level.WARNING)):
        guide.write_text(f"# Guide\n[a]({target})\n\nLast Updated: {updated}\nOwner: us\n")
        configured(window.target, documents={"guide": str(guide)})
        found = {one.key: one.level for one in step.look(month).findings}
        dead = {} if level is Level.OK else {f"document:{guide}:link:'gone.md'": Level.ADVISORY}
        assert found == {f"document:{guide}": level, **dead, f"document:{guide}:links": Level.OK, **items}
