"""A real process that is killed at each moment of an action: nothing is lost, and the next run finishes."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from tests.stages.killing import LOCK_HELD, kill, patient
from tests.stages.sessions import running, until
from tests.stages.signing import SIGNER
from tests.stages.stage import SLOW, Stage, changed
from upkeep.gate.apply.target import LOCK
from upkeep.gate.permit_store import Permit, add_permit


def finish(stage: Stage, stored: object) -> str:
    """The next run; the outcome of its one action, with the lock free at the end."""
    outcome = stage.apply(stored, run_id="the next run")["kept"]  # type: ignore[arg-type]
    until(lambda: not stage.look(LOCK_HELD, LOCK))  # a session ends a moment after its client has gone
    assert outcome.state == "done"
    assert stage.look("SELECT count(*) AS n FROM kept") == [{"n": 1000}]
    return outcome.reason


def test_before_the_permit(stage: Stage, tmp_path: Path) -> None:
    """Killed while the permit waits to be written and given up by the server: no trace, and the first attempt works."""
    stage.dirty("kept")
    stored = stage.approved()
    with stage.no_new("permits"):
        process = stage.process(stored, tmp_path, patient(stage))
        stage.until_locked("permits")
        kill(process)
        stage.until_nobody("permits")
    assert stage.permits(stored) == []
    assert finish(stage, stored) == ""
    assert stage.permits(stored) == [("kept", 1, "done")]
    assert stage.vacuums() == {"kept": 1}


def test_between_permit_and_statement(stage: Stage, tmp_path: Path) -> None:
    """Killed when its permit was committed: unknown, found not done in the catalogue, attempt 2 does it."""
    stage.dirty("kept")
    stored = stage.approved()
    process = stage.process(stored, tmp_path, dies_with_permit=True)
    assert process.wait(60) == -9
    assert stage.permits(stored) == [("kept", 1, None)]
    assert finish(stage, stored) == ""
    assert stage.permits(stored) == [("kept", 1, "not done"), ("kept", 2, "done")]
    why = "the process that had the permit ended without a receipt; run the next run looked at the catalogue"
    assert stage.receipts(stored)[0]["reason"] == why
    assert stage.vacuums() == {"kept": 1}


@pytest.mark.parametrize("waiting", [True, False], ids=["for its lock", "in its work"])
def test_during_the_statement(stage: Stage, tmp_path: Path, waiting: bool) -> None:
    """Killed while VACUUM waits or works: the server ends it within seconds, the lock is free, attempt 2 does it."""
    stage.dirty("kept")
    stored = stage.approved()
    slow = changed(stage.config, optimise=SLOW, guards={"lock_timeout_seconds": 60.0, "poll_seconds": 10.0})
    with psycopg.connect(stage.dsn) as holder:
        if waiting:
            holder.execute("LOCK TABLE kept IN SHARE MODE")
        process = stage.process(stored, tmp_path, slow)
        stage.until_running("VACUUM%kept")
        kill(process)
        until(lambda: not running(stage.dsn, "VACUUM%kept"))
    assert stage.permits(stored) == [("kept", 1, None)]
    assert finish(stage, stored) == ""
    assert stage.permits(stored) == [("kept", 1, "not done"), ("kept", 2, "done")]
    assert stage.vacuums() == {"kept": 1}


def test_before_the_receipt(stage: Stage, tmp_path: Path) -> None:
    """Killed when VACUUM had ended: the catalogue shows that it was done, and nothing runs a second time."""
    stage.dirty("kept")
    stored = stage.approved()
    with stage.no_new("receipts"):
        process = stage.process(stored, tmp_path, patient(stage))
        stage.until_locked("receipts")
        kill(process)
        stage.until_nobody("receipts")
    assert stage.permits(stored) == [("kept", 1, None)]
    assert "ended without a receipt" in finish(stage, stored)
    assert stage.permits(stored) == [("kept", 1, "done")]
    assert stage.vacuums() == {"kept": 1}


def test_the_next_runs_other_plan_settles_what_was_left(stage: Stage, tmp_path: Path) -> None:
    """Whoever applies any plan of the target next writes the missing receipt, also when their own plan is another."""
    stage.dirty("kept", "other")
    left = stage.decide(stage.plan(), ids={"1"})
    with stage.no_new("receipts"):
        process = stage.process(left, tmp_path, patient(stage))
        stage.until_locked("receipts")
        kill(process)
        stage.until_nobody("receipts")
    after = stage.approved()
    assert [action.table for action in after.plan.actions] == ["other"]
    assert stage.apply(after)["other"].state == "done"
    assert stage.permits(left) == [("kept", 1, "done")]


def test_a_permit_of_another_database_of_the_target_is_left_to_its_own_apply(stage: Stage) -> None:
    """The catalogue of this database cannot tell what happened in that one: its permit stays without a receipt."""
    stage.dirty("kept")
    elsewhere = stage.approved(database="another_database")
    with stage.ledger.session() as session:
        before = {"vacuum_count": 0, "analyze_count": 0}
        add_permit(session, Permit(elsewhere.digest, "1", 1, "the run elsewhere", 1, before), SIGNER)
    assert stage.apply(stage.approved())["kept"].state == "done"
    assert stage.permits(elsewhere) == [("kept", 1, None)]


def test_a_plan_that_nobody_approved_settles_what_was_left_too(stage: Stage, tmp_path: Path) -> None:
    """All of it is refused, yet the open permit of the run before gets its receipt."""
    stage.dirty("kept", "other")
    left = stage.decide(stage.plan(), ids={"1"})
    with stage.no_new("receipts"):
        process = stage.process(left, tmp_path, patient(stage))
        stage.until_locked("receipts")
        kill(process)
        stage.until_nobody("receipts")
    assert stage.apply(stage.plan())["other"].state == "refused"
    assert stage.permits(left) == [("kept", 1, "done")]
