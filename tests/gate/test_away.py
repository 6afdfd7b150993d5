"""Servers and sessions that go away in the middle of apply, and come back or do not."""

from __future__ import annotations

import signal
from typing import Any

import psycopg
import pytest

from tests.stages.ledger import CLOCKS, Ledger, create, drawn, upgrade
from tests.stages.sessions import until
from tests.stages.stage import Go, Stage, changed, states
from upkeep.gate.apply.ledger_session import LedgerSession


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["fast", "immediate"])
def test_a_restart_in_the_middle_is_survived(kept: Ledger, new_cluster: Any, how: signal.Signals) -> None:
    """The lost statement's permit is settled by the catalogue, its next attempt is done, and so are the others."""
    own = new_cluster()
    server = own.start()
    try:
        stage = Stage(kept, own.dsn("postgres"))
        stage.dirty("a", "slow", "z")
        stored = stage.approved()
        config = changed(stage.config, guards={"lock_timeout_seconds": 60.0, "patience_seconds": 60.0})
        holder = psycopg.connect(stage.dsn)
        holder.execute("LOCK TABLE slow IN SHARE MODE")
        go = Go(lambda: stage.apply(stored, config=config))
        stage.until_running("VACUUM%slow")
        server.send_signal(how)
        server.wait(30)
        holder.close()
        until(lambda: any("Could not go on" in text for text in stage.said))
        server = own.start()
        assert states(go.result()) == {"a": "done", "slow": "done", "z": "done"}
    finally:
        own.stop(server)
    expected = [("a", 1, "done"), ("slow", 1, "not done"), ("slow", 2, "done"), ("z", 1, "done")]
    assert stage.permits(stored) == expected
    assert any("Could not go on" in text for text in stage.said)


def test_an_action_whose_session_is_ended_each_time_is_not_tried_for_ever(stage: Stage) -> None:
    """Somebody terminates us as often as we come: lock_attempts tries, each settled, then the others."""
    stage.dirty("slow", "z")
    stored = stage.approved()
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("LOCK TABLE slow IN SHARE MODE")
        config = changed(stage.config, guards={"lock_timeout_seconds": 60.0})
        go = Go(lambda: stage.apply(stored, config=config))
        for attempt in (1, 2):
            until(lambda attempt=attempt: len(stage.permits(stored)) == attempt)
            (pid,) = stage.until_running("VACUUM%slow")
            stage.do(f"SELECT pg_terminate_backend({pid})".encode())
        outcomes = go.result()
    assert states(outcomes) == {"slow": "not done", "z": "done"}
    assert stage.permits(stored) == [("slow", 1, "not done"), ("slow", 2, "not done"), ("z", 1, "done")]


def test_a_server_that_stays_away_leaves_everything_undone(stage: Stage, port: int) -> None:
    """Nobody listens: after the patience of the guards every action says what the driver said."""
    stage.dirty("a", "b")
    stored = stage.approved()
    config = changed(stage.config, guards={"patience_seconds": 1.0})
    nowhere = psycopg.conninfo.make_conninfo(stage.dsn, port=port)
    outcomes = stage.apply(stored, config=config, connectors=stage.connectors(maintain=nowhere))
    assert states(outcomes) == {"a": "not done", "b": "not done"}
    assert all(
        outcome.reason.startswith("left undone: ") and "refused" in outcome.reason for outcome in outcomes.values()
    )
    assert stage.permits(stored) == []


def test_a_ledger_that_is_away_gets_its_receipt_later(empty_database: str, new_cluster: Any) -> None:
    """The ledger's server stops when VACUUM runs and comes back seconds after it ended: done, with its receipt."""
    own = new_cluster()
    server = own.start()
    try:
        book = drawn(own)
        create(book)
        upgrade(book)
        stage = Stage(book, empty_database)
        stage.dirty("kept", "z")
        stored = stage.approved()
        stage.config = changed(stage.config, guards={"lock_timeout_seconds": 60.0})
        tried: list[str] = []

        def to_the_ledger() -> Any:
            tried.append("")
            return psycopg.connect(book.dsn("tasks"))

        with psycopg.connect(stage.dsn) as holder:
            holder.execute("LOCK TABLE kept IN SHARE MODE")
            go = Go(lambda: stage.apply(stored, connectors=stage.connectors(ledger=to_the_ledger)))
            stage.until_running("VACUUM%kept")
            own.stop(server)
        until(lambda: stage.vacuums()["kept"] == 1)
        before = len(tried)
        until(lambda: len(tried) > before)  # its receipt waits
        assert stage.vacuums()["z"] == 0
        server = own.start()
        assert states(go.result()) == {"kept": "done", "z": "done"}
        assert stage.permits(stored) == [("kept", 1, "done"), ("z", 1, "done")]
        book.drop()
    finally:
        own.stop(server)
    assert stage.vacuums() == {"kept": 1, "z": 1}


def test_without_a_ledger_nothing_runs(stage: Stage, port: int) -> None:
    """No decisions can be read, no permit written: the target is not touched."""
    stage.dirty("kept")
    stored = stage.approved()
    config = changed(stage.config, guards={"patience_seconds": 0.0})
    nowhere = psycopg.conninfo.make_conninfo(stage.ledger.dsn("tasks"), port=port)
    outcome = stage.apply(stored, config=config, connectors=stage.connectors(ledger=nowhere))["kept"]
    assert outcome.state == "not done"
    assert stage.vacuums() == {"kept": 0}


def test_a_ledger_that_comes_back_within_the_patience_is_asked_again(stage: Stage) -> None:
    """Asked until it answers; without patience the first refusal is what is raised."""
    refusals = [psycopg.OperationalError("away"), psycopg.OperationalError("away")]

    def connect() -> Any:
        if refusals:
            raise refusals.pop()
        return psycopg.connect(stage.ledger.dsn("tasks"))

    with LedgerSession(connect, CLOCKS, 0.0) as ledger, pytest.raises(psycopg.OperationalError, match="away"):
        ledger.with_retry(lambda session: session.row("SELECT 1 AS one"))
    assert len(refusals) == 1
    with LedgerSession(connect, CLOCKS, 60.0) as ledger:
        assert ledger.with_retry(lambda session: session.row("SELECT 1 AS one")) == {"one": 1}
    assert refusals == []
