"""Guards on a real server: a mutation that gets in somebody's way is cancelled, and says why."""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack

import psycopg
import pytest

from tests.stages.sessions import to, until
from tests.stages.stage import SLOW, Go, Stage, changed
from upkeep.gate.apply.guards import Guard
from upkeep.wires import database


@pytest.fixture
def slow(stage: Stage) -> Stage:
    """A target with one table whose VACUUM would take a minute."""
    stage.dirty("slow")
    stage.config = changed(stage.config, optimise=SLOW)
    return stage


def test_a_client_that_waits_for_us_does_not_wait_long(slow: Stage) -> None:
    """ALTER TABLE meets a VACUUM of a minute: VACUUM is cancelled for it, the log says so, and ALTER has its lock."""
    stored = slow.approved()
    go = Go(lambda: slow.apply(stored))
    slow.until_running("VACUUM%slow")
    slow.do("ALTER TABLE slow ADD COLUMN more int")
    outcome = go.result()["slow"]
    assert (outcome.state, outcome.reason) == ("not done", "1 sessions wait for a lock of ours")
    assert slow.said.count("Cancelling: 1 sessions wait for a lock of ours") == 1
    assert slow.permits(stored) == [("slow", 1, "not done")]
    assert slow.vacuums() == {"slow": 0}


def test_a_client_that_writes_does_not_stop_us(slow: Stage) -> None:
    """INSERT and SELECT do not wait for VACUUM, and the guard leaves it alone."""
    stored = slow.approved()
    slow.config = changed(slow.config, optimise={"vacuum_cost_delay_ms": 20.0, "vacuum_cost_limit": 20})
    stop = threading.Event()

    def write() -> None:
        with psycopg.connect(slow.dsn, autocommit=True) as client:
            while not stop.is_set():
                client.execute("INSERT INTO slow VALUES (1, repeat('y', 300))")

    client = threading.Thread(target=write)
    client.start()
    try:
        outcome = slow.apply(stored)["slow"]
    finally:
        stop.set()
        client.join()
    assert outcome.state == "done", outcome


def test_used_up_connections_stop_us_and_keep_others_from_beginning(slow: Stage) -> None:
    """Above connections_percent a running VACUUM is cancelled and the next one waits in vain."""
    slow.dirty("z")
    stored = slow.approved()
    with psycopg.connect(slow.dsn) as connection:
        (used, most) = connection.execute(
            "SELECT count(*), current_setting('max_connections')::int - 3 FROM pg_stat_activity"
            " WHERE backend_type = 'client backend'"
        ).fetchone() or (0, 0)
    limit = 100.0 * (used + 15) / most
    config = changed(slow.config, guards={"connections_percent": limit, "patience_seconds": 0.5})
    with ExitStack() as stack:
        go = Go(lambda: slow.apply(stored, config=config))
        slow.until_running("VACUUM%slow")
        for _ in range(20):
            stack.enter_context(psycopg.connect(slow.dsn))
        outcomes = go.result()
    assert all("% of the connections are in use" in outcome.reason for outcome in outcomes.values())
    assert slow.permits(stored) == [("slow", 1, "not done")]


def test_who_is_asked_again_after_the_wait_may_have_changed_their_mind(slow: Stage) -> None:
    """A decision that is altered while apply waits for connections: refused, with its reason, and nothing begins."""
    stored = slow.approved()
    with psycopg.connect(slow.dsn) as connection:
        ((used,),) = connection.execute(
            "SELECT 100.0 * count(*) / (current_setting('max_connections')::int - 3) FROM pg_stat_activity"
            " WHERE backend_type = 'client backend'"
        ).fetchall()
    config = changed(slow.config, guards={"connections_percent": float(used) + 10, "patience_seconds": 60.0})
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(psycopg.connect(slow.dsn))
        go = Go(lambda: slow.apply(stored, config=config))
        until(lambda: any(said.startswith("Waiting: ") for said in slow.said))
        slow.ledger.change("UPDATE upkeep.decisions SET comment = comment || '!' WHERE digest = %s", stored.digest)
    outcome = go.result()["slow"]
    slow.ledger.change("UPDATE upkeep.decisions SET comment = left(comment, -1) WHERE digest = %s", stored.digest)
    assert outcome.state == "refused" and "which its signature does not fit" in outcome.reason, outcome
    assert slow.permits(stored) == []


def test_a_guard_that_lost_sight_stops_its_statement_and_the_next_has_a_new_guard(slow: Stage) -> None:
    """Somebody ends the guard's session: the statement that nobody watches is cancelled, the other action is done."""
    slow.do("CREATE TABLE z (id int) WITH (autovacuum_enabled = false)", "ANALYZE z")
    slow.do("INSERT INTO z SELECT generate_series(1, 5000)")
    until(slow.candidates, lambda rows: len(rows) == 2)
    stored = slow.approved()
    watching = psycopg.conninfo.make_conninfo(slow.dsn, application_name="the guard")
    go = Go(lambda: slow.apply(stored, connectors=slow.connectors(watch=watching)))
    slow.until_running("VACUUM%slow")
    slow.do("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'the guard'")
    outcomes = go.result()
    assert outcomes["slow"].reason.startswith("the guard lost sight of the target")
    assert (outcomes["slow"].state, outcomes["z"].state) == ("not done", "done")


def test_a_person_who_cancels_us_is_obeyed(slow: Stage) -> None:
    """pg_cancel_backend by a DBA: not done, not tried again, and the server's words say so."""
    stored = slow.approved()
    go = Go(lambda: slow.apply(stored))
    (pid,) = slow.until_running("VACUUM%slow")
    slow.do(f"SELECT pg_cancel_backend({pid})".encode())
    outcome = go.result()["slow"]
    assert outcome.state == "not done"
    assert outcome.reason.startswith("canceling statement due to user request")
    assert slow.permits(stored) == [("slow", 1, "not done")]


def test_progress_is_told_while_it_works(slow: Stage) -> None:
    """The log says which phase VACUUM is in and how far, from pg_stat_progress_vacuum."""
    stored = slow.approved()
    slow.config = changed(slow.config, guards={"lock_timeout_seconds": 0.1})
    go = Go(lambda: slow.apply(stored))
    until(lambda: any(text.startswith("Progress: scanning heap, ") for text in slow.said))
    (pid,) = slow.until_running("VACUUM%slow")
    slow.do(f"SELECT pg_cancel_backend({pid})".encode())
    go.result()


def test_the_age_of_what_a_standby_has_not_replayed(stage: Stage) -> None:
    """Nothing to replay is no lag; the oldest position that is missing counts, not the newest."""
    with database.connected(to(stage.dsn)) as session:
        guard = Guard(session, stage.config, 0, stage.said.append)
        assert guard._lag({"lsn": "0/100", "replayed_lsn": None}) == 0
        assert guard._lag({"lsn": "0/100", "replayed_lsn": "0/100"}) == 0
        began = time.monotonic()
        assert guard._lag({"lsn": "1/0", "replayed_lsn": "0/100"}) <= time.monotonic() - began
        seen = time.monotonic()
        until(lambda: time.monotonic() - seen > 0.2)
        began = time.monotonic()
        assert guard._lag({"lsn": "1/1", "replayed_lsn": "0/100"}) > 0.2
        assert guard._lag({"lsn": "1/1", "replayed_lsn": "1/0"}) <= time.monotonic() - began
        assert guard._lag({"lsn": "1/1", "replayed_lsn": "1/1"}) == 0
