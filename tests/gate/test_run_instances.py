"""A run is not its id: what was drawn up, shown and decided for one run is not for another of its id (rule 10)."""

from __future__ import annotations

import warnings
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from tests.stages.signing import SIGNER, SIGNING
from tests.stages.stage import Stage
from upkeep.core.windows import Run
from upkeep.gate import sheets
from upkeep.gate.decision_store import add_decision, add_shown, approvals_in_run, shown_of_task
from upkeep.gate.permits import Decision
from upkeep.gate.plan_store import add_sheet, plan_of_run, plans_in_force, sheet_of_run
from upkeep.gate.plans.model import SCHEDULE
from upkeep.ledger.read import verdict_of_run
from upkeep.ledger.write import add_report

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Airflow's own imports warn
    from upkeep.flow.listener import RunListener
    from upkeep.flow.runs import STAMP, instance_of, run_of
    from upkeep.flow.slots import logical_date_problem

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)  # a Wednesday
SUNDAYS = "0 3 * * 0"


def test_a_run_with_the_id_of_a_deleted_one_gets_a_plan_of_its_own(stage: Stage) -> None:
    """Nothing of the first is found by the second: not its plan, nor who asked for it, nor its answers."""
    stage.dirty("worn")
    first = stage.approved(requested_by="operator", run_id="twice")
    again = replace(first.plan, instance="2", requested_by="ann")
    with stage.ledger.session() as session:
        assert plan_of_run(session, again.run) is None
        assert approvals_in_run(session, first.plan.run) == {("ann", "dba"), ("bob", "devops")}
        assert approvals_in_run(session, again.run) == set()
    second = stage.plan(requested_by="ann", run_id="twice", instance="2")
    with stage.ledger.session() as session:
        kept = {run.instance: plan_of_run(session, run) for run in (first.plan.run, second.plan.run)}
    assert {key: found and found.plan.requested_by for key, found in kept.items()} == {"1": "operator", "2": "ann"}
    assert first.digest != second.digest
    assert stage.apply(second)["worn"].reason.startswith("no answer from dba by ")
    assert stage.permits(second) == []


def test_what_was_shown_and_signed_is_one_runs_alone(stage: Stage) -> None:
    """A sheet, and a row that was shown, are found by the run that they are for and by no other of its id."""
    stage.dirty("worn")
    stored = stage.plan(run_id="signed")
    window, item = stage.window(stored.plan), sheets.SheetItem("dba", "dba", "DBA", "G23", "", "takes part")
    named = {"dag_id": window.dag_id, "run_id": window.run_id, "instance": window.instance}
    times = {"due": window.due, "not_after": stored.plan.not_after}
    sheet = sheets.Sheet(sheets.SIGN_ON, stage.name, "weekly", items=(item,), **times, **named)
    task: dict[str, Any] = {"task_id": "dba", "map_index": -1, "role": "dba", "digest": stored.digest}
    row = {**task, "try_number": 1, "body_digest": "", "action_ids": ["1"], "asked": ["ann"]}
    with stage.ledger.session() as session:
        add_sheet(session, window, sheet, {})
        add_shown(session, window, row, SIGNER)
        for instance, there in (("1", True), ("2", False)):
            run = replace(window, instance=instance).run
            assert (sheet_of_run(session, run, sheets.SIGN_ON) is not None) is there
            assert (shown_of_task(session, task | named | {"instance": instance}, SIGNING) is not None) is there


def test_a_report_is_judged_by_its_own_run(stage: Stage) -> None:
    """The verdict of a run that has another's id never takes the other's report."""
    stage.dirty("worn")
    window = stage.window(stage.plan(run_id="reported").plan)
    with stage.ledger.session() as session:
        add_report(session, window, level="ok", headline="All is well", html="", body={})
        assert verdict_of_run(session, window.run)["headline"] == "All is well"
        with pytest.raises(LookupError):
            verdict_of_run(session, replace(window, instance="2").run)


def test_what_a_deleted_run_asked_is_in_force_no_more(stage: Stage) -> None:
    """Airflow is asked of each run whose plan's time is not over."""
    stage.dirty("worn")
    stored = stage.approved(run_id="deleted")
    stage.plan(run_id="another")
    asked: list[Run] = []

    def there(run: Run) -> bool:
        asked.append(run)
        return run.run_id == "deleted"

    mine, now = Run("maintenance_weekly", "mine", "3"), datetime.now(UTC)
    with stage.ledger.session() as session:
        in_force = plans_in_force(session, stage.name, now, mine, there)
        assert [digest for digest, _ in in_force] == [stored.digest]
        assert plans_in_force(session, stage.name, now, mine, lambda _: False) == []
    assert {(run.run_id, run.instance) for run in asked} == {("deleted", "1"), ("another", "1")}


def test_a_run_that_does_not_say_which_one_it_is_asks_nothing(stage: Stage) -> None:
    """Without the scheduler's stamp nothing is drawn up, and nothing of an older Upkeep is found."""
    stage.dirty("worn")
    with pytest.raises(ValueError, match=r"carries no run instance.*load plugins/upkeep_plugin\.py"):
        stage.plan(instance="")
    stored = stage.plan(run_id="old")
    stage.ledger.change("UPDATE upkeep.plans SET instance = '' WHERE digest = %s", stored.digest)
    with stage.ledger.session() as session:
        assert plan_of_run(session, Run("maintenance_weekly", "old", "")) is None


def test_a_row_moved_to_another_run_is_found_out(stage: Stage) -> None:
    """The ledger's owner gives a plan to another run: its text is about the first, and that is said."""
    stage.dirty("worn")
    stored = stage.plan(run_id="moved")
    stage.ledger.change("UPDATE upkeep.plans SET instance = '2' WHERE digest = %s", stored.digest)
    with stage.ledger.session() as session, pytest.raises(ValueError, match="it was changed in the ledger"):
        plan_of_run(session, replace(stored.plan, instance="2").run)


def test_who_asked_for_the_run_as_it_is_counts_beside_the_plans_requester(stage: Stage) -> None:
    """Both are judged: neither alone may approve, and a name that config does not know counts as everybody."""
    stage.dirty("worn")
    (action,) = stage.plan().plan.actions
    stored = stage.plan(requested_by="bob", run_id="one role", actions=(replace(action, roles=("dba",)),))
    stage.decide(stored, {"dba": "ann"})
    (refused,) = stage.apply(stored, requested_by="ann").values()
    assert refused.reason == "ann requested it and cannot be the only approver"
    (refused,) = stage.apply(stored, requested_by="a stranger").values()
    assert refused.reason.startswith("it was requested by 'a stranger', whom config/maintenance.yaml: people does not")
    (done,) = stage.apply(stored, requested_by=SCHEDULE).values()
    assert done.state == "done"


def test_an_answer_to_one_run_cannot_be_kept_for_another(stage: Stage) -> None:
    """What was shown in the first run is not the second's: the ledger itself refuses the pair."""
    stage.dirty("worn")
    first = stage.approved(run_id="pair")
    second = stage.plan(run_id="pair", instance="2")
    ((shown,),) = stage.ledger.ask("SELECT min(id) FROM upkeep.shown WHERE digest = %s", first.digest)
    answer = Decision("dba", "ann", frozenset({"1"}), datetime.now(UTC))
    with pytest.raises(psycopg.errors.ForeignKeyViolation), stage.ledger.session() as session:
        add_decision(session, second.digest, shown, answer, SIGNER)


# What Airflow's scheduler says ------------------------------------------------------------------------------------


def started(**fields: Any) -> Any:
    """A run as the scheduler hands it to the listener."""
    dag = SimpleNamespace(tags={"upkeep", "weekly"}, timetable=SimpleNamespace(summary=SUNDAYS))
    about = {"id": 7, "created_at": NOW, "conf": None, "dag": dag, "run_type": "manual", "logical_date": None}
    return SimpleNamespace(**about | fields)


def test_the_scheduler_stamps_a_run_over_what_its_client_wrote() -> None:
    """Number and moment of creation, whatever conf says; other DAGs' runs are left alone."""
    run = started(conf={STAMP: "6 of yesterday", "when": "now"}, dag_id="d", run_id="r")
    RunListener().on_dag_run_running(dag_run=run)
    assert run.conf == {STAMP: "7 of 2026-11-25T12:00:00.000000Z", "when": "now"}
    context: Any = {"dag_run": run}
    assert run_of(context) == Run("d", "r", "7 of 2026-11-25T12:00:00.000000Z")
    other = started(conf={"a": 1})
    other.dag.tags = {"another"}
    RunListener().on_dag_run_running(dag_run=other)
    assert other.conf == {"a": 1}
    assert [instance_of(started(conf=conf)) for conf in (None, {}, {STAMP: 7})] == ["", "", ""]


@pytest.mark.parametrize(
    ("date", "why"),
    [
        (None, ""),
        (datetime(2026, 11, 29, 3, tzinfo=UTC), "belongs to the scheduled run"),
        (datetime(2026, 11, 22, 3, tzinfo=UTC), "belongs to the scheduled run"),  # perhaps not made yet
        (datetime(2026, 11, 15, 3, tzinfo=UTC), ""),  # over: the report says that its slot is held
        (datetime(2026, 11, 29, 2, 59, tzinfo=UTC), "is in the future"),
        (datetime(2026, 11, 25, 12, 4, tzinfo=UTC), ""),  # a browser's clock that is ahead
        (datetime(2026, 11, 25, 12, 6, tzinfo=UTC), "is in the future"),
    ],
)
def test_a_date_that_a_run_by_hand_must_not_have(date: datetime | None, why: str) -> None:
    """The calendar's slots from the last one on, and whatever lies ahead; the calendar's own runs may have them."""
    found = logical_date_problem("manual", date, SUNDAYS, NOW)
    assert why in found
    assert bool(found) is bool(why)
    assert (
        logical_date_problem("scheduled", date, SUNDAYS, NOW)
        == logical_date_problem("backfill", date, SUNDAYS, NOW)
        == ""
    )
