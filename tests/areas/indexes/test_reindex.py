"""Rebuilds of bloated indexes (G55-G58): done for real, refused when things changed, nothing left behind, killed."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.stages.killing import LOCK_HELD, kill, patient
from tests.stages.platform import login
from tests.stages.rebuilds import PKEY, approved, collected, configured, hollow, planned, rebuilds
from tests.stages.rebuilds import worn as worn  # noqa: PLC0414  # a fixture
from tests.stages.sessions import running, until
from tests.stages.stage import Go, Stage, changed, states
from upkeep.areas.indexes import propose, reindex
from upkeep.gate import predictions
from upkeep.gate.apply.target import LOCK
from upkeep.gate.plan_store import StoredPlan
from upkeep.gate.plans.model import Action, Proposal, numbered
from upkeep.settings.values import TableName
from upkeep.wires import database


def there(stage: Stage) -> dict[str, tuple[int, bool]]:
    """Index → OID and whether it is valid."""
    rows = stage.look(
        "SELECT i.relname, i.oid::bigint AS oid, x.indisvalid AS valid FROM pg_index x"
        " JOIN pg_class i ON i.oid = x.indexrelid WHERE i.relnamespace = 'public'::regnamespace"
    )
    return {row["relname"]: (row["oid"], row["valid"]) for row in rows}


@contextmanager
def snapshot(stage: Stage) -> Iterator[psycopg.Connection[Any]]:
    """A long transaction elsewhere that has touched nothing of ours: REINDEX CONCURRENTLY waits for it at its end."""
    with psycopg.connect(stage.dsn) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM pg_class")
        yield holder


# Done -----------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G55-G58", "holds")
def test_a_bloated_primary_key_is_rebuilt_and_not_proposed_again(worn: Stage) -> None:
    """Its constraint goes over to the new index; the receipt has both OIDs and sizes; the room comes back."""
    (proposal,) = rebuilds(worn)
    assert proposal.measured["bloat percent"] > 80
    stored = approved(worn)
    (action,) = stored.plan.actions
    assert action.statement == 'REINDEX INDEX CONCURRENTLY "public"."worn_pkey"'
    assert (action.kind, action.verb, action.lock) == ("reindex", "reindex", "SHARE UPDATE EXCLUSIVE")
    outcome = worn.apply(stored)[PKEY]
    assert (outcome.state, outcome.reason) == ("done", "")
    assert outcome.receipt is not None
    before, after = outcome.receipt.before, outcome.receipt.after
    assert (before["oid"], after["oid"] != before["oid"]) == (action.oid, True)
    assert before["bytes"] - after["bytes"] >= 0.9 * action.predicted_bytes
    assert there(worn) == {PKEY: (after["oid"], True)}
    assert worn.look("SELECT conindid::bigint AS oid FROM pg_constraint WHERE conname = 'worn_pkey'") == [
        {"oid": after["oid"]}
    ]
    assert rebuilds(worn) == []


def test_names_of_any_kind_are_rebuilt(stage: Stage) -> None:
    """Exactly it, in a schema of such a name too."""
    name = '100% "quoted" 🐘 {x}'
    stage.do("CREATE EXTENSION pgstattuple", sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    hollow(stage, name, schema=name)
    stage.config = configured(stage, tables=(TableName(name, name),))
    stored = approved(stage)
    assert states(stage.apply(stored)) == {f"{name}_pkey": "done"}


def test_the_indexes_of_a_partition_are_rebuilt(stage: Stage) -> None:
    """It stays attached to the parent's index, which stays valid."""
    stage.do(
        "CREATE EXTENSION pgstattuple",
        "CREATE TABLE worn (id int PRIMARY KEY) PARTITION BY RANGE (id)",
        "CREATE TABLE low PARTITION OF worn FOR VALUES FROM (0) TO (20000) WITH (autovacuum_enabled = false)",
        "INSERT INTO worn SELECT generate_series(0, 19999)",
        "DELETE FROM low WHERE id % 10 > 0",
        "VACUUM (ANALYZE, TRUNCATE false) low",
    )
    stage.config = configured(stage)
    assert states(stage.apply(approved(stage))) == {"low_pkey": "done"}
    parents = "SELECT i.inhrelid::bigint AS oid FROM pg_inherits i WHERE i.inhparent = 'worn_pkey'::regclass"
    assert stage.look(parents) == [{"oid": there(stage)["low_pkey"][0]}]
    assert {valid for _, valid in there(stage).values()} == {True}


# The plan -------------------------------------------------------------------------------------------------------


def test_an_index_that_the_same_plan_drops_is_not_rebuilt(worn: Stage) -> None:
    """A copy of what goes would be for nothing; rebuilds come last, and only in the month's plan."""
    worn.do("CREATE UNIQUE INDEX twin ON worn (id)", "UPDATE worn SET b = 'y'", "DELETE FROM worn WHERE id % 100 > 0")
    worn.do("VACUUM (TRUNCATE false) worn")
    worn.config = changed(worn.config, indexes={"statistics_days": 0.0, "min_bytes": 0}, reindex={"bloat_percent": 1.0})
    found = [(one.action.kind, one.action.table) for one in collected(worn)[0]]
    assert ("indexes", "twin") in found
    assert [one for one in found if one[0] == "reindex"] == [found[-1]] == [("reindex", PKEY)]
    assert "reindex" not in {one.action.kind for one in collected(worn, cadence="weekly")[0]}


def test_what_is_approved_elsewhere_is_left_out(worn: Stage) -> None:
    """By OID, whether it is to be rebuilt there or dropped."""
    (proposal,) = rebuilds(worn)
    assert rebuilds(worn, proposal.action) == []
    dropped = Action(**{**vars(proposal.action), "kind": propose.KIND})
    assert rebuilds(worn, dropped) == []


def test_a_prediction_is_the_table_twice_and_the_index_once() -> None:
    """At the configured speed, and never less than at once."""
    assert reindex.predicted_ms(100 * 1024**2, 50 * 1024**2, 50.0) == 5000
    assert reindex.predicted_ms(0, 8192, 50.0) == predictions.AT_ONCE_MS


# What changed between plan and apply ----------------------------------------------------------------------------

MEANWHILE = {
    "dropped": ("ALTER TABLE worn DROP CONSTRAINT worn_pkey", "no index has its name any more"),
    "made again": (
        "ALTER TABLE worn DROP CONSTRAINT worn_pkey; ALTER TABLE worn ADD PRIMARY KEY (id)",
        "another index has its name since the plan was drawn up",
    ),
    "rebuilt": ("REINDEX INDEX CONCURRENTLY worn_pkey", "another index has its name since the plan was drawn up"),
    "renamed": ("ALTER INDEX worn_pkey RENAME TO other", "no index has its name any more"),
    "altered": ("ALTER INDEX worn_pkey SET (fillfactor = 50)", "the index's definition was changed"),
}


@pytest.mark.parametrize(("statements", "why"), MEANWHILE.values(), ids=MEANWHILE.keys())
def test_what_changed_since_the_plan_is_refused(worn: Stage, statements: str, why: str) -> None:
    """No permit is given, and nothing is rebuilt by us."""
    stored = approved(worn)
    worn.do(*(statement.encode() for statement in statements.split(";")))
    before = there(worn)
    (outcome,) = worn.apply(stored).values()
    assert (outcome.state, why in outcome.reason) == ("refused", True), outcome
    assert (worn.permits(stored), there(worn)) == ([], before)


def test_an_index_that_became_invalid_is_not_rebuilt(worn: Stage) -> None:
    """That is another kind's matter: what its rows hold is not known to be what its table says."""
    stored = approved(worn)
    worn.do("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'worn_pkey'::regclass")
    before = there(worn)
    (outcome,) = worn.apply(stored).values()
    assert (outcome.state, outcome.reason) == ("refused", "it has become invalid since the plan was drawn up")
    assert (worn.permits(stored), there(worn)) == ([], before)


def test_an_index_that_cannot_be_rebuilt_beside_its_use_is_not_rebuilt(worn: Stage) -> None:
    """REINDEX CONCURRENTLY refuses an exclusion constraint; an approved plan that names one ends before its permit."""
    stored = planned(worn)
    worn.do("CREATE TABLE booked (during int4range, EXCLUDE USING gist (during WITH &&))")
    (row,) = worn.look(
        "SELECT i.oid::bigint AS oid FROM pg_class i JOIN pg_index x ON x.indexrelid = i.oid WHERE x.indisexclusion"
    )
    with worn.session() as session:
        wanted = replace(stored.plan.actions[0], table="booked_during_excl", oid=row["oid"])
        now = reindex.state(session, wanted)
    assert now is not None
    excluding = worn.decide(worn.plan(actions=(replace(wanted, shape=now["shape"]),), cadence="monthly"))
    (outcome,) = worn.apply(excluding).values()
    assert (outcome.state, outcome.reason) == ("refused", "it cannot be rebuilt beside the table's use")
    assert worn.permits(excluding) == []


def test_an_index_whose_size_cannot_be_asked_is_not_rebuilt(worn: Stage) -> None:
    """Somebody has ACCESS EXCLUSIVE: whether there is room cannot be told, and waiting for the answer would be long."""
    stored = approved(worn)
    with psycopg.connect(worn.dsn) as holder:
        holder.execute("REINDEX INDEX worn_pkey")
        (outcome,) = worn.apply(stored).values()
        holder.rollback()
    why = "its size could not be asked: somebody has or wants ACCESS EXCLUSIVE"
    assert (outcome.state, outcome.reason, worn.permits(stored)) == ("refused", why, [])
    assert worn.apply(stored)[PKEY].state == "done"


@pytest.mark.parametrize("storage", [None, 1_000_000])
def test_room_that_went_since_the_plan_is_refused(worn: Stage, storage: int | None) -> None:
    """The disk is looked at again just before: a full one is worse than a bloated index."""
    stored = approved(worn)
    outcome = worn.apply(stored, config=configured(worn, storage=storage))[PKEY]
    assert outcome.state == "refused"
    assert ("bytes are free by now" if storage else "storage_bytes: found none") in outcome.reason
    assert worn.permits(stored) == []


def test_a_role_that_owns_nothing_rebuilds_nothing_until_it_is_granted(worn: Stage) -> None:
    """The server refuses; the grant for dropping indexes is enough for rebuilding them."""
    owner = f'Owner "{secrets.token_hex(4)}"'
    with (
        login(worn.ledger.cluster, worn.dsn, owner),
        login(worn.ledger.cluster, worn.dsn, f"{owner}'s") as maintain,
    ):
        worn.do(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(sql.Identifier(owner)))
        worn.do(sql.SQL("ALTER TABLE worn OWNER TO {}").format(sql.Identifier(owner)))
        connectors = worn.connectors(maintain=maintain)
        outcome = worn.apply(approved(worn), connectors=connectors)[PKEY]
        assert (outcome.state, "permission denied" in outcome.reason or "must be owner" in outcome.reason) == (
            "not done",
            True,
        ), outcome
        worn.do(database.script("setup/index_grants", owner=owner, role=f"{owner}'s").encode())
        assert states(worn.apply(approved(worn), connectors=connectors)) == {PKEY: "done"}


# Locks and what is left behind ----------------------------------------------------------------------------------


@pytest.mark.guide("X11", "holds")
def test_one_that_meets_its_lock_timeout_each_time_is_not_done_and_leaves_nothing(worn: Stage) -> None:
    """A long transaction elsewhere: each attempt leaves an invalid copy, which is removed before the next one."""
    stored, before = approved(worn), there(worn)
    with snapshot(worn):
        outcome = worn.apply(stored)[PKEY]
        assert there(worn) == before
    assert (outcome.state, "lock_timeout" in outcome.reason) == ("not done", True), outcome
    assert worn.permits(stored) == [(PKEY, 1, "not done"), (PKEY, 2, "not done")]
    assert len([text for text in worn.said if "Clearing public.worn_pkey_ccnew" in text and "removed" in text]) == 2
    assert rebuilds(worn)[0].action.oid == before[PKEY][0]


@pytest.mark.parametrize("name", ["n" * 63, "ä" * 31, "_ccnew", 'a "b" 100% {x}'])
def test_a_copy_is_found_whatever_the_index_is_called(worn: Stage, name: str) -> None:
    """The server cuts long names, between characters, before it adds its ending."""
    worn.do(sql.SQL("ALTER INDEX worn_pkey RENAME TO {}").format(sql.Identifier(name)))
    stored, before = approved(worn), there(worn)
    with snapshot(worn):
        outcome = worn.apply(stored, config=changed(worn.config, guards={"lock_attempts": 1}))[name]
    assert (outcome.state, "left behind" in outcome.reason) == ("not done", False), outcome
    assert there(worn) == before
    assert len([text for text in worn.said if "Clearing" in text and "removed" in text]) == 1


def test_one_whose_table_is_locked_each_time_leaves_nothing(worn: Stage) -> None:
    """It never began: no copy is made before the table's lock is free."""
    stored, before = approved(worn), there(worn)
    with psycopg.connect(worn.dsn) as holder:
        holder.execute("LOCK TABLE worn IN SHARE MODE")
        outcome = worn.apply(stored)[PKEY]
    assert (outcome.state, "lock_timeout" in outcome.reason) == ("not done", True), outcome
    assert [outcome for *_, outcome in worn.permits(stored)] == ["not done"] * 2
    assert there(worn) == before


def test_a_copy_that_a_writer_holds_is_removed_as_soon_as_the_writer_ends(worn: Stage) -> None:
    """Neither the build nor the removal can be done beside an open write; the next attempt comes when both can."""
    stored = approved(worn)
    with psycopg.connect(worn.dsn) as writer:
        writer.execute("UPDATE worn SET b = 'z' WHERE id = 10")
        going = Go(lambda: worn.apply(stored))
        until(lambda: [text for text in worn.said if "Clearing" in text and "lock timeout" in text])
        assert PKEY + "_ccnew" in there(worn)
    assert states(going.result()) == {PKEY: "done"}
    assert list(there(worn)) == [PKEY]
    assert worn.permits(stored) == [(PKEY, 1, "not done"), (PKEY, 2, "done")]


def test_a_copy_that_cannot_be_removed_is_told_and_the_next_plan_drops_it(worn: Stage) -> None:
    """No further attempt adds another one; kind indexes finds it, and the rebuild is planned again."""
    stored = approved(worn)
    with psycopg.connect(worn.dsn) as writer:
        writer.execute("UPDATE worn SET b = 'z' WHERE id = 10")
        impatient = changed(worn.config, guards={"patience_seconds": 1.0})
        outcome = worn.apply(stored, config=impatient)[PKEY]
    assert outcome.state == "partly done"
    assert "left behind: public.worn_pkey_ccnew (OID " in outcome.reason
    assert worn.permits(stored) == [(PKEY, 1, "partly done")]
    found = [proposal.action for proposal in collected(worn)[0]]
    kinds = [(action.kind, action.table) for action in found if action.kind != "optimise"]
    assert kinds == [("indexes", "worn_pkey_ccnew"), ("reindex", PKEY)]
    again = worn.decide(worn.plan(actions=numbered(map(Proposal, found))[0], cadence="monthly"))
    assert set(states(worn.apply(again)).values()) == {"done"}
    assert list(there(worn)) == [PKEY]


def test_a_reader_that_holds_the_old_index_leaves_a_rebuild_that_is_done(worn: Stage) -> None:
    """The name has gone to the new index when the wait fails: done, and the old one goes when the reader has ended."""
    stored, before = approved(worn), there(worn)
    with psycopg.connect(worn.dsn) as reader:
        reader.execute("SELECT FROM worn LIMIT 1")
        going = Go(lambda: worn.apply(stored))
        until(lambda: [text for text in worn.said if "Clearing public.worn_pkey_ccold" in text])
    outcome = going.result()[PKEY]
    assert (outcome.state, "lock_timeout" in outcome.reason) == ("done", True), outcome
    assert list(there(worn)) == [PKEY]
    assert there(worn)[PKEY][0] != before[PKEY][0]
    assert worn.permits(stored) == [(PKEY, 1, "done")]


def test_what_somebody_else_left_is_not_ours_to_remove(worn: Stage) -> None:
    """A copy that was there before the permit stays; so does one that somebody is building just now."""
    with snapshot(worn), psycopg.connect(worn.dsn, autocommit=True) as other:
        other.execute("SET lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            other.execute("REINDEX INDEX CONCURRENTLY worn_pkey")
    theirs = there(worn)[PKEY + "_ccnew"]
    stored = approved(worn)
    with snapshot(worn):
        outcome = worn.apply(stored)[PKEY]
    assert (outcome.state, there(worn)[PKEY + "_ccnew"]) == ("not done", theirs)
    assert len(there(worn)) == 2
    assert "left behind" not in outcome.reason


def test_a_build_under_way_is_nobodys_leftover(worn: Stage) -> None:
    """It looks the same in the catalogue: what a view of progress shows is left out."""
    stored = approved(worn)
    (action,) = stored.plan.actions
    nothing = {"leftovers": []}
    with snapshot(worn):
        build = threading.Thread(target=worn.do, args=("REINDEX INDEX CONCURRENTLY worn_pkey",))
        build.start()
        until(lambda: PKEY + "_ccnew" in there(worn))
        with worn.session() as session:
            assert reindex.state(session, action)["leftovers"][0]["busy"]  # type: ignore[index]
            assert reindex.leftovers(session, action, nothing) == []
    build.join()
    assert list(there(worn)) == [PKEY]


# Killed ---------------------------------------------------------------------------------------------------------


def finish(stage: Stage, stored: StoredPlan) -> str:
    """The next run; why its one action is done, with the lock free and nothing left at the end."""
    outcome = stage.apply(stored, run_id="the next run")[PKEY]
    until(lambda: not stage.look(LOCK_HELD, LOCK))  # a session ends a moment after its client has gone
    assert (outcome.state, list(there(stage))) == ("done", [PKEY])
    return outcome.reason


def test_killed_before_the_permit(worn: Stage, tmp_path: Path) -> None:
    """No trace: the first attempt is the next run's."""
    stored, before = approved(worn), there(worn)
    with worn.no_new("permits"):
        process = worn.process(stored, tmp_path, patient(worn))
        worn.until_locked("permits")
        kill(process)
        worn.until_nobody("permits")
    assert (worn.permits(stored), there(worn)) == ([], before)
    assert finish(worn, stored) == ""
    assert worn.permits(stored) == [(PKEY, 1, "done")]


def test_killed_between_permit_and_statement(worn: Stage, tmp_path: Path) -> None:
    """The index has its OID still: not done, and attempt 2 does it."""
    stored, before = approved(worn), there(worn)
    process = worn.process(stored, tmp_path, dies_with_permit=True)
    assert process.wait(60) == -9
    assert worn.permits(stored) == [(PKEY, 1, None)]
    assert there(worn) == before
    assert finish(worn, stored) == ""
    assert worn.permits(stored) == [(PKEY, 1, "not done"), (PKEY, 2, "done")]


def test_killed_during_the_build(worn: Stage, tmp_path: Path) -> None:
    """The server ends it within seconds and leaves a copy, which the next run removes under the dead one's permit."""
    stored = approved(worn)
    slow = changed(worn.config, guards={"lock_timeout_seconds": 60.0, "poll_seconds": 10.0})
    with snapshot(worn):
        process = worn.process(stored, tmp_path, slow)
        worn.until_running("REINDEX%worn_pkey")
        until(lambda: PKEY + "_ccnew" in there(worn))
        kill(process)
        until(lambda: not running(worn.dsn, "REINDEX%worn_pkey"))
    assert sorted(there(worn)) == [PKEY, PKEY + "_ccnew"]
    assert worn.permits(stored) == [(PKEY, 1, None)]
    assert finish(worn, stored) == ""
    assert worn.permits(stored) == [(PKEY, 1, "not done"), (PKEY, 2, "done")]
    assert any("Clearing public.worn_pkey_ccnew" in text and "removed" in text for text in worn.said)


def test_killed_before_the_receipt(worn: Stage, tmp_path: Path) -> None:
    """The name has another OID: it was done, and nothing is rebuilt a second time."""
    stored = approved(worn)
    with worn.no_new("receipts"):
        process = worn.process(stored, tmp_path, patient(worn))
        worn.until_locked("receipts")
        kill(process)
        worn.until_nobody("receipts")
    rebuilt = there(worn)
    assert "ended without a receipt" in finish(worn, stored)
    assert worn.permits(stored) == [(PKEY, 1, "done")]
    assert there(worn) == rebuilt


def test_a_session_that_the_server_ends_is_looked_after_at_once(worn: Stage) -> None:
    """Terminated in its build: the same process takes the lock again, clears, and tries again."""
    stored = approved(worn)
    with snapshot(worn):
        patiently = changed(worn.config, guards={"lock_timeout_seconds": 60.0})
        going = Go(lambda: worn.apply(stored, config=patiently))
        (pid,) = worn.until_running("REINDEX%worn_pkey")
        until(lambda: PKEY + "_ccnew" in there(worn))
        worn.look("SELECT pg_terminate_backend(%s)", pid)
        until(lambda: worn.permits(stored)[:1] == [(PKEY, 1, "not done")])
    assert states(going.result()) == {PKEY: "done"}
    assert list(there(worn)) == [PKEY]


def test_a_copy_is_told_of_although_another_index_is_built_on_the_table(worn: Stage) -> None:
    """A build that waited for us begins when our attempt ends: it does not make our copy look like its own."""
    stored = approved(worn)
    with snapshot(worn):
        impatient = changed(worn.config, guards={"patience_seconds": 1.0, "lock_timeout_seconds": 2.0})
        going = Go(lambda: worn.apply(stored, config=impatient))
        until(lambda: PKEY + "_ccnew" in there(worn))
        build = threading.Thread(target=worn.do, args=("CREATE INDEX CONCURRENTLY other ON worn (b)",))
        build.start()
        outcome = going.result()[PKEY]
    build.join()
    assert "left behind: public.worn_pkey_ccnew (OID " in outcome.reason
