"""What the report task gathers of a plan from a real ledger: answers, permits, receipts, a plan that was changed."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from tests.stages.signing import SIGNER, config_folder
from upkeep.core.findings import Finding, Level, Sample
from upkeep.core.windows import Window, WindowKind
from upkeep.gate.attempts import Receipt
from upkeep.gate.decision_store import add_decision, add_shown
from upkeep.gate.permit_store import Permit, add_permit, add_receipt
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import StoredPlan, add_plan
from upkeep.gate.plans.model import Action, Plan
from upkeep.ledger.migrations.upgrade import upgrade
from upkeep.ledger.read import latest_steps
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.report.document import to_json
from upkeep.report.headline import verdict
from upkeep.report.model import Report
from upkeep.report.page import to_html
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.ends import ReportOperator
    from upkeep.flow.report_data.plan import gate_of_run

DUE = datetime(2026, 11, 22, 3, tzinfo=UTC)
DAG, RUN = "maintenance_weekly", "manual__1"
WINDOW = Window(
    "primary",
    "weekly",
    WindowKind.MANUAL,
    DUE,
    DUE + timedelta(hours=2),
    DUE - timedelta(days=7),
    DUE,
    RUN,
    DAG,
    "olga",
    "1",
)
STATES = {"evidence.dead_rows": "success", "plan": "success", "apply": "success", "after.dead_rows": "success"}


class Run:
    """A run whose steps have written into a ledger of its own."""

    def __init__(self, dsn: str) -> None:
        self.dsn = dsn
        upgrade(lambda: psycopg.connect(dsn))
        with self.session() as session:
            open_window(session, WINDOW)

    @contextmanager
    def session(self) -> Iterator[database.Session]:
        clocks = settings(ROOT / "config").maintenance.sql
        with database.session(lambda: psycopg.connect(self.dsn), clocks, read_only=False) as session:
            yield session

    def record(self, step: str, *findings: Finding, samples: tuple[Sample, ...] = ()) -> None:
        """A step that ran."""
        looked = LookResult(findings, samples)
        record = StepRecord(step, "ran", "", "x.sql", datetime.now(UTC), looked=looked)
        with self.session() as session:
            add_step(session, WINDOW, record)

    def plan(self, *tables: str) -> StoredPlan:
        """A plan of one VACUUM for each table."""
        rest = ("", ("dba", "devops"), "because", "lock", 9, 0)
        actions = tuple(
            Action(str(n), "optimise", "vacuum", f"VACUUM {table}", "public", table, n, *rest)
            for n, table in enumerate(tables, 1)
        )
        one = Plan(
            "primary",
            "weekly",
            DAG,
            RUN,
            DUE,
            "olga",
            "platform",
            DUE,
            DUE + timedelta(days=999),
            True,
            actions,
            instance=WINDOW.instance,
        )
        with self.session() as session:
            return add_plan(session, WINDOW, one, {"1": {"dead rows": 7}})

    def answer(self, stored: StoredPlan, role: str, person: str, *ids: str) -> None:
        """What was shown to a role, and its answer."""
        shown = {
            **{"dag_id": DAG, "run_id": RUN, "task_id": f"approve.{role}", "map_index": -1, "try_number": 1},
            **{"role": role, "digest": stored.digest, "body_digest": "x", "action_ids": list(ids), "asked": ["x"]},
        }
        with self.session() as session:
            number = add_shown(session, WINDOW, shown, SIGNER)
            add_decision(session, stored.digest, number, Decision(role, person, frozenset(ids), DUE, "go"), SIGNER)

    def attempt(self, stored: StoredPlan, action: str, number: int, outcome: str = "") -> None:
        """A permit, with a receipt if there is an outcome."""
        with self.session() as session:
            # Of a time before the ledger itself looked for a quorum: the report says what is there.
            session.rows("ALTER TABLE upkeep.permits DISABLE TRIGGER permit_holds")
            asked = Permit(stored.digest, action, number, RUN, 1, {"dead_rows": 7})
            permit = add_permit(session, asked, SIGNER)
            if outcome:
                after = {"dead_rows": 0}
                receipt = Receipt(outcome, "why", DUE, DUE, 1, 18, 4096, {"dead_rows": 7}, after)
                add_receipt(session, permit.row_id, receipt, stored.digest, SIGNER)

    def gather(self, window: Window = WINDOW, logical_date: datetime | None = None) -> Report:
        """What the report task puts together, with Airflow's part played by plain values."""
        task = ReportOperator(task_id="report", target=window.target, cadence=window.cadence)
        ti = SimpleNamespace(dag_id=DAG, run_id=window.run_id, try_number=1, get_task_states=lambda **_: {})
        run = SimpleNamespace(logical_date=logical_date)
        context: Any = {"ti": ti, "params": {"dry_run": False}, "dag_run": run}
        with self.session() as session:
            return task._gather(session, context, window, STATES)


@pytest.fixture
def run(empty_database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("UPKEEP_CONFIG", str(config_folder(tmp_path)))
    settings.cache_clear()
    return Run(empty_database)


def said(action: str, outcome: str, reason: str) -> Finding:
    """What apply says of an action."""
    metadata = {"action": action, "outcome": outcome, "reason": reason}
    return Finding(f"apply:{action}", Level.ADVISORY, "VACUUM", f"{outcome}: {reason}", metadata=metadata)


def test_a_plan_is_gathered_with_all_that_became_of_it(run: Run) -> None:
    """Two attempts and done; a permit without receipt; refused, with the role's title; JSON as documented."""
    stored = run.plan("a", "b", "c")
    run.answer(stored, "dba", "dora", "1", "2")
    run.attempt(stored, "1", 1, "not done")
    run.attempt(stored, "1", 2, "done")
    run.attempt(stored, "2", 1)
    run.record("apply", said("3", "refused", "no answer from devops by 05:00: at all"))
    one = run.gather()
    found = to_json(one)["gate"]
    assert [(action["state"], action["attempts"]) for action in found["actions"]] == [
        ("done", 2),
        ("unknown", 1),
        ("refused", 0),
    ]
    first, _, last = found["actions"]
    assert (first["ratio"], first["wal_bytes_of_server"], first["seen"]) == (2.0, 4096, {"dead rows": 7})
    assert (first["before"]["dead_rows"], first["after"]["dead_rows"]) == (7, 0)
    assert last["reason"] == "no answer from DevOps Engineer by 05:00: at all"
    assert [(answer["title"], answer["state"], answer["comment"]) for answer in found["answers"]] == [
        ("Database Administrator", "approved", "go"),
        ("DevOps Engineer", "no answer", ""),
    ]
    assert (found["plan"]["digest"], found["plan"]["outside"]) == (stored.digest, True)
    assert "Plan and what became of it" in to_html(one)


def test_a_run_without_a_plan_has_none(run: Run) -> None:
    """And no empty plots: a weekly window measures none of the six metrics. The second look's sample says so."""
    for step, value in (("evidence.dead_rows", 3.0), ("after.dead_rows", 0.0)):
        run.record(step, samples=(Sample("tables_to_optimise", value, "tables"),))
    one = run.gather()
    assert (one.gate, one.own, one.history) == (None, (), ())
    assert [(sample.subject, sample.value) for sample in one.samples] == [("", 3.0), ("a second time", 0.0)]


def test_a_plan_that_was_changed_in_the_ledger_is_critical_and_the_report_is_written(run: Run) -> None:
    """Its text does not give its digest: it is not shown, and that is said."""
    run.plan("a")
    with psycopg.connect(run.dsn) as superuser:
        superuser.execute("UPDATE upkeep.plans SET body = replace(body, 'VACUUM', 'DROP')")
    one = run.gather()
    assert one.gate is None
    assert [(found.key, found.level) for found in one.own] == [("gate:plan", Level.CRITICAL)]
    assert verdict(one, {Level.CRITICAL})[0] is True


@pytest.mark.parametrize(("hours", "keys"), [(0, ["window:slot"]), (1, [])])
def test_a_manual_run_with_the_calendars_date_holds_its_slot(run: Run, hours: int, keys: list[str]) -> None:
    """The due time of an occurrence is a warning that the ledger remembers; any other date is none."""
    one = run.gather(logical_date=DUE + timedelta(hours=hours))
    assert [found.key for found in one.own] == keys
    with run.session() as session:
        assert [row["step"] for row in latest_steps(session, WINDOW)] == ["report"] * len(keys)


def test_what_hindered_a_question_is_told_by_airflows_state_of_its_task(run: Run) -> None:
    """A sensor that failed never asked, or did not hear; one that ended green was not hindered."""
    run.plan("a")
    states = {RUN: {"approve.dba": "failed", "approve.devops": "success"}}
    ti = SimpleNamespace(dag_id=DAG, run_id=RUN, get_task_states=lambda **_: states)
    sensors = {"dba": "approve.dba", "devops": "approve.devops"}
    with run.session() as session:
        found, changed = gate_of_run(session, {"ti": ti}, WINDOW, (), sensors, DUE)  # type: ignore[typeddict-item]
    assert found and not changed
    assert [answer.note.partition("; ")[2] for answer in found.answers] == [
        "Airflow's state of task approve.dba is failed",
        "",
    ]
    assert found.answers[0].log_url.endswith("/tasks/approve.dba")
