"""What can be wrong with a target: the action is refused or left undone with its reason, and the others go on."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import psycopg
import pytest
from psycopg import sql

from sandbox.ports import free_port
from sandbox.postgres import Cluster
from tests.stages.ledger import Ledger
from tests.stages.pgbouncer import pooler, program, through
from tests.stages.sessions import until
from tests.stages.stage import SLOW, Go, Stage, changed, states
from tests.stages.standby import standby

# Locks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode", ["ACCESS EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"])
def test_a_lock_that_is_held_for_hours_leaves_one_action_undone(stage: Stage, mode: str) -> None:
    """After lock_attempts it is left, each try has its receipt with the wait, and the others are done."""
    stage.dirty("a", "held", "z")
    stored = stage.approved()
    with psycopg.connect(stage.dsn) as holder:
        holder.execute(f"LOCK TABLE held IN {mode} MODE".encode())
        assert {row["table"] for row in stage.candidates()} == {"a", "held", "z"}
        outcomes = stage.apply(stored)
    assert states(outcomes) == {"a": "done", "held": "not done", "z": "done"}
    assert "its lock was not free within lock_timeout" in outcomes["held"].reason
    assert stage.permits(stored) == [
        ("a", 1, "done"),
        ("held", 1, "not done"),
        ("held", 2, "not done"),
        ("z", 1, "done"),
    ]
    assert all(row["lock_wait_ms"] > 0 for row in stage.receipts(stored) if row["outcome"] == "not done")


def test_a_lock_that_becomes_free_lets_the_second_attempt_work(stage: Stage) -> None:
    """The first attempt's receipt says not done, the second's done."""
    stage.dirty("held")
    stored = stage.approved()
    with psycopg.connect(stage.dsn) as holder:
        holder.execute("LOCK TABLE held IN SHARE MODE")
        go = Go(lambda: stage.apply(stored))
        until(lambda: stage.permits(stored) == [("held", 1, "not done")])
    assert states(go.result()) == {"held": "done"}
    assert stage.permits(stored) == [("held", 1, "not done"), ("held", 2, "done")]


class Distant(psycopg.Connection[Any]):
    """A guard's connection over a line that lets nothing through while it is broken."""

    whole: ClassVar[threading.Event] = threading.Event()

    def execute(self, *args: Any, **kwargs: Any) -> Any:
        self.whole.wait()
        return super().execute(*args, **kwargs)

    def cursor(self, *args: Any, **kwargs: Any) -> Any:
        self.whole.wait()
        return super().cursor(*args, **kwargs)


@pytest.mark.parametrize("blind", [False, True], ids=["the guard yields first", "the server ends it"])
def test_a_deadlock_ends_and_the_others_go_on(stage: Stage, blind: bool) -> None:
    """Somebody has a child table, waits for its parent, and VACUUM the other way round: it is we who give way.

    The server looks once, when it has waited for ``deadlock_timeout``: after somebody's lock, or long after the guard.
    """
    stage.dirty("parent", "z")
    stage.do("CREATE TABLE child () INHERITS (parent)")
    stage.config = changed(stage.config, guards={"lock_timeout_seconds": 60.0})
    stored = stage.approved()
    timeout = "5s" if blind else "10min"
    stage.do(f"ALTER SYSTEM SET deadlock_timeout = '{timeout}'".encode(), "SELECT pg_reload_conf()")
    until(lambda: stage.look("SHOW deadlock_timeout") == [{"deadlock_timeout": timeout}])
    Distant.whole.set()
    try:
        with psycopg.connect(stage.dsn) as somebody:
            somebody.execute("SET deadlock_timeout = '10min'")
            somebody.execute("LOCK TABLE child IN ACCESS EXCLUSIVE MODE")
            connectors = stage.connectors(**({"watch": lambda: Distant.connect(stage.dsn)} if blind else {}))
            go = Go(lambda: stage.apply(stored, connectors=connectors))
            until(lambda: stage.look("SELECT FROM pg_locks WHERE relation = 'child'::regclass AND NOT granted"))
            Distant.whole.clear()
            somebody.execute("LOCK TABLE parent IN SHARE MODE")  # returns when our VACUUM has given way
            Distant.whole.set()
        outcomes = go.result()
    finally:
        Distant.whole.set()
        stage.do("ALTER SYSTEM RESET deadlock_timeout", "SELECT pg_reload_conf()")
    assert states(outcomes) == {"parent": "done" if blind else "partly done", "z": "done"}
    first = next(row for row in stage.receipts(stored) if row["outcome"] == "partly done")  # vacuumed, not analysed
    assert ("the server ended a deadlock" if blind else "sessions wait for a lock of ours") in first["reason"]


# Permissions ----------------------------------------------------------------------------------------------------


@pytest.fixture
def stranger(cluster: Cluster, stage: Stage) -> Iterator[str]:
    """The conninfo of a role that owns nothing."""
    name, password = f"stranger_{secrets.token_hex(4)}", secrets.token_urlsafe(12)
    role = sql.Identifier(name)
    stage.do(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(role, sql.Literal(password)))
    yield cluster.dsn(psycopg.conninfo.conninfo_to_dict(stage.dsn)["dbname"], name, password)
    stage.do(sql.SQL("DROP OWNED BY {}").format(role), sql.SQL("DROP ROLE {}").format(role))


@pytest.mark.guide("X10", "fires", "silent")
def test_a_vacuum_that_only_warned_is_not_done(stage: Stage, stranger: str) -> None:
    """The server reports success and skips the table: the receipt has its warning; with the right it is done."""
    name = psycopg.conninfo.conninfo_to_dict(stranger)["user"]
    stage.dirty("allowed", "foreign")
    stage.do(sql.SQL("ALTER TABLE allowed OWNER TO {}").format(sql.Identifier(str(name))))
    stored = stage.approved()
    outcomes = stage.apply(stored, connectors=stage.connectors(maintain=stranger))
    assert states(outcomes) == {"allowed": "done", "foreign": "not done"}
    assert 'permission denied to vacuum "foreign", skipping it' in outcomes["foreign"].reason
    assert stage.permits(stored) == [("allowed", 1, "done"), ("foreign", 1, "not done")]
    assert states(stage.apply(stored)) == {"allowed": "done", "foreign": "done"}


def test_guards_that_may_not_see_others_refuse(stage: Stage, stranger: str) -> None:
    """A read role without pg_monitor would never see who waits for us: nothing runs, and the grant is named."""
    stage.dirty("kept")
    stored = stage.approved()
    outcome = stage.apply(stored, connectors=stage.connectors(watch=stranger))["kept"]
    assert outcome.state == "refused"
    assert "pg_monitor" in outcome.reason
    assert stage.permits(stored) == []


# The wrong place ------------------------------------------------------------------------------------------------


def test_another_server_or_database_is_refused(stage: Stage, cluster: Cluster) -> None:
    """A Connection that was pointed elsewhere meets the pinned identifier, and the plan its database's name."""
    stage.dirty("kept")
    stored = stage.approved()
    elsewhere = stage.apply(stored, connectors=stage.connectors(maintain=cluster.dsn("postgres")))["kept"]
    assert (elsewhere.state, "leads to 'postgres'" in elsewhere.reason) == ("refused", True)
    for pinned in ("7400000000000000000", None):
        target = stage.config.targets[stage.name].model_copy(update={"system_identifier": pinned})
        config = stage.config.model_copy(update={"targets": {stage.name: target}})
        outcome = stage.apply(stored, config=config)["kept"]
        assert outcome.state == "refused"
        assert f"targets.{stage.name}.system_identifier: found {pinned or 'nothing'}" in outcome.reason
    gone = stage.apply(stored, config=stage.config.model_copy(update={"targets": {}}))["kept"]
    assert gone.state == "refused"
    assert stage.permits(stored) == []
    assert stage.vacuums() == {"kept": 0}


def test_guards_that_look_at_another_server_refuse(stage: Stage, kept: Ledger, new_cluster: Any) -> None:
    """The read Connection leads elsewhere: its quiet says nothing about the server that is changed."""
    stage.dirty("kept")
    stored = stage.approved()
    other = new_cluster()
    server = other.start()
    try:
        outcome = stage.apply(stored, connectors=stage.connectors(watch=other.dsn("postgres")))["kept"]
    finally:
        other.stop(server)
    assert outcome.state == "refused"
    assert "leads to another server than the maintain Connection" in outcome.reason


@pytest.mark.guide("X13", "holds")
def test_behind_transaction_pooling_nothing_is_changed(stage: Stage, cluster: Cluster) -> None:
    """A maintain Connection through a real pgbouncer in transaction mode refuses; the guards may go through it."""
    program()
    stage.dirty("kept")
    stored, port = stage.approved(), free_port()
    with pooler(cluster, port, "transaction", {"postgres": cluster.password}, ignore_startup_parameters="options"):
        outcome = stage.apply(stored, connectors=stage.connectors(maintain=through(stage.dsn, port)))["kept"]
        assert outcome.state == "refused"
        assert "a pooler in transaction mode" in outcome.reason
        assert stage.permits(stored) == []
        with psycopg.connect(through(stage.dsn, port), autocommit=True) as client:
            before = client.execute("SHOW lock_timeout").fetchone()
            assert states(stage.apply(stored, connectors=stage.connectors(watch=through(stage.dsn, port)))) == {
                "kept": "done"
            }
            assert client.execute("SHOW lock_timeout").fetchone() == before


def test_a_standby_is_refused_and_one_that_lags_is_waited_for(kept: Ledger, new_cluster: Any, port: int) -> None:
    """In recovery: refused. Replay paused: nothing begins until it goes on; lag during a VACUUM cancels it."""
    primary = new_cluster()
    server = primary.start()
    try:
        stage = Stage(kept, primary.dsn("postgres"))
        stage.dirty("a", "b")
        with (
            standby(primary, port) as follower,
            psycopg.connect(follower.dsn("postgres"), autocommit=True) as there,
        ):
            stored = stage.approved()
            refused = stage.apply(stored, connectors=stage.connectors(maintain=follower.dsn("postgres")))
            assert {outcome.reason for outcome in refused.values()} == {
                "the server is a standby (in recovery); maintenance runs on its primary"
            }
            there.execute("SELECT pg_wal_replay_pause()")
            stage.do("CREATE TABLE written (id int)")
            until(lambda: there.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",))
            impatient = changed(stage.config, guards={"patience_seconds": 1.0})
            left = stage.apply(stored, config=impatient)
            assert all("a replica has yet to replay" in outcome.reason for outcome in left.values())
            assert stage.permits(stored) == []
            go = Go(lambda: stage.apply(stored))
            until(lambda: any(text.startswith("Waiting: a replica") for text in stage.said))
            there.execute("SELECT pg_wal_replay_resume()")
            assert states(go.result()) == {"a": "done", "b": "done"}
            _lag_while_it_works(stage, there)
    finally:
        primary.stop(server)


def _lag_while_it_works(stage: Stage, there: psycopg.Connection[Any]) -> None:
    stage.dirty("slow")
    stored = stage.approved()
    slow = changed(stage.config, optimise=SLOW, guards={"replica_lag_seconds": 0.5, "lock_attempts": 1})
    go = Go(lambda: stage.apply(stored, config=slow))
    stage.until_running("VACUUM%slow")
    there.execute("SELECT pg_wal_replay_pause()")
    stage.do("CREATE TABLE more (id int)")
    outcome = go.result()["slow"]
    there.execute("SELECT pg_wal_replay_resume()")
    assert outcome.state == "not done"
    assert outcome.reason.startswith("a replica is")


# The table ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("statements", "reason"),
    [
        (["DROP TABLE kept"], "the table is gone since the plan was drawn up"),
        (["DROP TABLE kept", "CREATE TABLE kept (id int, wide text)"], "the table is gone since the plan was drawn up"),
        (["ALTER TABLE kept RENAME TO moved"], "the table has been renamed to public.moved"),
        (["CREATE SCHEMA s", "ALTER TABLE kept SET SCHEMA s"], "the table has been renamed to s.kept"),
        (["ALTER TABLE kept ADD COLUMN more int"], "the table's columns were altered"),
        (["ALTER TABLE kept ALTER id TYPE bigint"], "the table's columns were altered"),
        (["ALTER TABLE kept RENAME id TO number"], "the table's columns were altered"),
    ],
)
def test_a_table_that_is_not_the_planned_one_is_refused(stage: Stage, statements: list[str], reason: str) -> None:
    """Dropped, recreated, renamed, moved or altered between plan and apply: no permit; the others go on."""
    stage.dirty("kept", "z")
    stored = stage.approved()
    stage.do(*(statement.encode() for statement in statements))
    outcomes = stage.apply(stored)
    assert states(outcomes) == {"kept": "refused", "z": "done"}
    assert outcomes["kept"].reason.startswith(reason)
    assert stage.permits(stored) == [("z", 1, "done")]


def test_a_table_that_is_recreated_while_the_permit_is_written_is_left_alone(stage: Stage) -> None:
    """It is looked at once more between permit and statement; the receipt says not done, and why."""
    stage.dirty("kept")
    stored = stage.approved()
    stage.config = changed(stage.config, sql={"lock_timeout_seconds": 60.0})
    with stage.no_new("permits"):
        go = Go(lambda: stage.apply(stored))
        stage.until_locked("permits")
        stage.do("DROP TABLE kept", "CREATE TABLE kept (id int, wide text)")
    outcome = go.result()["kept"]
    assert (outcome.state, "the table is gone" in outcome.reason) == ("not done", True)
    assert stage.permits(stored) == [("kept", 1, "not done")]
    assert stage.vacuums() == {"kept": 0}


# Time -----------------------------------------------------------------------------------------------------------


@pytest.mark.guide("X11", "holds")
def test_the_server_ends_what_still_runs_when_the_time_is_over(stage: Stage) -> None:
    """T is the statement_timeout of the statement: it is not done, and the receipt says that its time was over."""
    stage.dirty("slow", "z")
    stored = stage.approved(not_after=datetime.now(UTC) + timedelta(seconds=6))
    outcomes = stage.apply(stored, config=changed(stage.config, optimise=SLOW))
    assert states(outcomes) == {"slow": "not done", "z": "refused"}
    assert outcomes["slow"].reason.startswith("its time was over (canceling statement due to statement timeout")
    assert "its time was over at" in outcomes["z"].reason
