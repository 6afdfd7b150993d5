"""One locked object among several actions: it is told, and all others are done in the same pass."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest

from tests.stages.drops import collected as weekly
from tests.stages.killing import LOCK_HELD
from tests.stages.rebuilds import PKEY, configured, hollow, rebuilds
from tests.stages.sessions import until
from tests.stages.stage import Go, Stage, changed, states
from tests.stages.validations import collected as validations
from upkeep.areas.kinds import kinds
from upkeep.gate.apply.target import LOCK
from upkeep.gate.kind import kind_of
from upkeep.gate.plans.model import numbered
from upkeep.wires.database import Session


@pytest.fixture
def estate(stage: Stage) -> Stage:
    """Two tables with an action of each kind."""
    stage.do("CREATE EXTENSION pgstattuple")
    for name in ("worn", "free"):
        hollow(stage, name)
        stage.do(
            f"CREATE INDEX idle_{name} ON {name} (lower(b))".encode(),
            f"CREATE INDEX twin_{name} ON {name} (lower(b))".encode(),
            f"ALTER TABLE {name} ADD CONSTRAINT positive CHECK (id > 0) NOT VALID".encode(),
            f"UPDATE {name} SET b = b || 'y'".encode(),
            f"UPDATE {name} SET b = b || 'z'".encode(),
        )
    stage.config = configured(stage, "worn", "free", bloat_percent=1.0)
    return stage


@pytest.mark.guide("X11", "holds")
def test_a_locked_table_is_its_actions_outcome_and_the_others_are_done(estate: Stage) -> None:
    """Somebody has ACCESS EXCLUSIVE on one table for the whole run: no look waits, and one pass is enough."""
    proposals = [*weekly(estate)[0], *validations(estate), *rebuilds(estate)]
    actions, measured = numbered(proposals)
    assert {action.kind for action in actions} == {"indexes", "optimise", "validate", "reindex"}
    stored = estate.decide(estate.plan(actions=actions, measured=measured, cadence="monthly"))
    with psycopg.connect(estate.dsn) as holder:
        holder.execute("LOCK TABLE worn")
        outcomes = estate.apply(stored)
    locked = {name for name in states(outcomes) if "worn" in name}
    assert {name for name, state in states(outcomes).items() if state == "done"} == set(outcomes) - locked
    assert len(locked) == len(outcomes) / 2 >= 4
    assert all("lock" in outcomes[name].reason for name in locked), outcomes
    assert not any("Could not go on" in text for text in estate.said)
    assert PKEY in locked


def test_no_look_of_a_kind_waits(estate: Stage) -> None:
    """Each kind's state comes at once while its table and all its indexes are locked."""
    actions = [proposal.action for proposal in (*weekly(estate)[0], *validations(estate), *rebuilds(estate))]
    with psycopg.connect(estate.dsn) as holder, psycopg.connect(estate.dsn, autocommit=True) as looker:
        looker.execute("SET lock_timeout = '1ms'")
        holder.execute("LOCK TABLE worn, free")
        holder.execute("REINDEX TABLE worn")  # takes ACCESS EXCLUSIVE on all indexes of a table
        holder.execute("REINDEX TABLE free")
        for action in actions:
            now = kind_of(kinds(), action).state(Session(looker), action)
            assert kind_of(kinds(), action).obstacle(action, now) == ""


@contextmanager
def unreadable(stage: Stage) -> Iterator[None]:
    """Nobody can look at a table's counters: somebody changes the view of them, and does not come to an end."""
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("SET allow_system_table_mods = on")
        holder.execute("ALTER VIEW pg_catalog.pg_stat_all_tables SET (security_barrier = true)")
        yield
        holder.rollback()


def test_an_attempt_without_a_receipt_that_cannot_be_looked_at_stays_unknown(stage: Stage, tmp_path: Path) -> None:
    """Nobody knows whether it ran: neither refused nor tried again, and settled as soon as somebody can look."""
    stage.dirty("kept")
    stored = stage.approved()
    assert stage.process(stored, tmp_path, dies_with_permit=True).wait(60) == -9
    until(lambda: not stage.look(LOCK_HELD, LOCK))  # a session ends a moment after its client has gone
    patient = changed(stage.config, guards={"patience_seconds": 0.5})
    with unreadable(stage):
        outcome = stage.apply(stored, config=changed(patient, sql={"lock_timeout_seconds": 0.1}))["kept"]
    assert (outcome.state, outcome.reason) == (
        "unknown",
        "its permit has no receipt, and it could not be looked at",
    )
    assert stage.permits(stored) == [("kept", 1, None)]
    assert stage.apply(stored)["kept"].state == "done"
    assert stage.permits(stored) == [("kept", 1, "not done"), ("kept", 2, "done")]


def test_a_session_that_ends_while_it_looks_is_no_outcome_of_an_action(stage: Stage) -> None:
    """Somebody terminates us while the look waits: another session looks again, and the action is done."""
    stage.dirty("kept")
    stored = stage.approved()
    with unreadable(stage):
        go = Go(lambda: stage.apply(stored, config=changed(stage.config, sql={"lock_timeout_seconds": 30.0})))
        (pid,) = stage.until_running("-- One table as it is now")
        stage.do(f"SELECT pg_terminate_backend({pid})".encode())
        until(lambda: any("Could not go on" in text for text in stage.said))
    assert go.result()["kept"].state == "done"


def test_a_thing_that_cannot_be_looked_at_is_left_undone_and_the_next_is_tried(stage: Stage) -> None:
    """Before its permit: nothing was begun, and its reason is the server's."""
    stage.dirty("a", "b")
    stored = stage.approved()
    patient = changed(stage.config, guards={"patience_seconds": 0.5})
    with unreadable(stage):
        outcomes = stage.apply(stored, config=changed(patient, sql={"lock_timeout_seconds": 0.1}))
    assert states(outcomes) == {"a": "not done", "b": "not done"}
    why = "left undone: it could not be looked at: canceling statement due to lock timeout"
    assert all(outcome.reason.startswith(why) for outcome in outcomes.values())
    assert stage.permits(stored) == []


def test_a_statement_whose_end_cannot_be_looked_at_is_unknown(stage: Stage) -> None:
    """Behind its permit it may have run: the next run finds out."""
    stage.dirty("kept")
    stored = stage.approved()
    patient = changed(stage.config, guards={"patience_seconds": 0.5, "lock_timeout_seconds": 6.0})
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("LOCK TABLE kept IN SHARE MODE")
        go = Go(lambda: stage.apply(stored, config=changed(patient, sql={"lock_timeout_seconds": 0.1})))
        stage.until_running("VACUUM%kept")
        with unreadable(stage):
            holder.rollback()
            outcome = go.result()["kept"]
    assert outcome.state == "unknown"
    assert outcome.reason.startswith("its permit has no receipt, and it could not be looked at")
    assert stage.permits(stored) == [("kept", 1, None)]
    assert stage.apply(stored)["kept"].state == "done"
    assert stage.permits(stored) == [("kept", 1, "done")]
