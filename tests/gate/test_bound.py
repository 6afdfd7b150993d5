"""A name is not the thing: names swap while a statement waits for its lock, and only what was approved changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from tests.stages.drops import approved, definitions, names, planned, table
from tests.stages.killing import kill
from tests.stages.plans import action
from tests.stages.rebuilds import PKEY
from tests.stages.rebuilds import approved as rebuilds
from tests.stages.rebuilds import worn as worn  # noqa: PLC0414  # the fixture
from tests.stages.sessions import running, to, until
from tests.stages.stage import Go, Stage, changed, states
from upkeep.areas.indexes import reindex
from upkeep.areas.indexes.drop import ALIAS
from upkeep.core.findings import Level
from upkeep.flow.apply import _finding
from upkeep.gate.apply.execution import Execution, remove_leftovers
from upkeep.gate.apply.guards import Guard
from upkeep.gate.attempts import Leftover
from upkeep.gate.plans.form import body
from upkeep.settings.maintenance import Maintenance
from upkeep.wires import database
from upkeep.wires.database import Session


def oid(stage: Stage, name: str) -> int:
    """What the name stands for now."""
    return int(stage.look("SELECT %s::regclass::oid::bigint AS oid", name)[0]["oid"])


@contextmanager
def swapping(stage: Stage, one: str, other: str, *, kind: str = "INDEX") -> Iterator[None]:
    """A transaction that swaps two names and keeps that to itself until the end of the block."""
    with psycopg.connect(stage.dsn) as swapper:
        for old, new in ((one, "aside"), (other, one), ("aside", other)):
            swapper.execute(f"ALTER {kind} {old} RENAME TO {new}".encode())
        yield


@contextmanager
def holding(stage: Stage, statement: str) -> Iterator[psycopg.Connection]:
    """A transaction that holds what this statement takes."""
    with psycopg.connect(stage.dsn) as holder:
        holder.execute(statement.encode())
        yield holder


def until_waiting(stage: Stage) -> None:
    """Wait until our session waits for a lock."""
    waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    until(lambda: stage.look(waits))


def patient(stage: Stage) -> Maintenance:
    """Statements wait as long as the test needs, and nobody looks whether they disturb."""
    return changed(stage.config, guards={"lock_timeout_seconds": 60.0, "poll_seconds": 10.0})


def ours(stage: Stage) -> list[str]:
    """The indexes that stand under a name of ours."""
    return [name for name in names(stage) if name.startswith(ALIAS)]


# Drops are bound ------------------------------------------------------------------------------------------------


@pytest.mark.guide("G53", "holds")
def test_the_index_that_took_the_name_of_a_planned_one_stays(stage: Stage) -> None:
    """Two names swap while the drop waits: neither goes, and the reason says that the name stands for another one."""
    table(stage, "CREATE INDEX idle ON t (a)", "CREATE UNIQUE INDEX used ON t (b)")
    stored = approved(stage)
    before = {name: oid(stage, name) for name in ("idle", "used")}
    with swapping(stage, "idle", "used"):
        going = Go(lambda: stage.apply(stored, config=patient(stage)))
        until_waiting(stage)
    outcome = going.result()["idle"]
    assert {name: oid(stage, name) for name in ("idle", "used")} == {"idle": before["used"], "used": before["idle"]}
    assert outcome.state == "not done"
    assert outcome.reason == "its name stands for another index by now, which has been left alone"


def test_while_a_drop_waits_nobody_finds_the_planned_index_by_its_name(stage: Stage) -> None:
    """It stands under a name of ours that the permit knows; a swap that comes later finds nothing to swap."""
    table(stage, "CREATE INDEX idle ON t (a)", "CREATE UNIQUE INDEX used ON t (b)")
    stored, planned_oid = approved(stage), oid(stage, "idle")
    with holding(stage, "LOCK TABLE t IN SHARE MODE") as holder:
        going = Go(lambda: stage.apply(stored, config=patient(stage)))
        (alias,) = until(lambda: ours(stage))
        assert oid(stage, alias) == planned_oid
        with pytest.raises(psycopg.errors.UndefinedTable):
            holder.execute("ALTER INDEX idle RENAME TO aside")
        holder.rollback()
    assert states(going.result()) == {"idle": "done"}
    assert stage.receipts(stored)[0]["before"]["alias"] == alias
    assert names(stage) == {"used"}


def test_renaming_an_index_disturbs_nobody(stage: Stage) -> None:
    """ALTER INDEX takes SHARE UPDATE EXCLUSIVE on the index and nothing stronger on its table: all others go on."""
    table(stage, "CREATE INDEX idle ON t (a)")
    with holding(stage, "ALTER INDEX idle RENAME TO other"):
        held = "SELECT relation::regclass::text AS name, mode FROM pg_locks WHERE relation = ANY (%s::regclass[])"
        locks = stage.look(held, ["idle", "t"])
        assert {row["mode"] for row in locks if row["name"] == "idle"} == {"ShareUpdateExclusiveLock"}
        assert {row["mode"] for row in locks} <= {"ShareUpdateExclusiveLock", "AccessShareLock"}


def test_a_drop_that_got_no_lock_gives_the_name_back(stage: Stage) -> None:
    """The table is locked each time: not done, and the index stands there as before."""
    table(stage, "CREATE INDEX idle ON t (a)")
    stored, before = approved(stage), definitions(stage)
    with holding(stage, "LOCK TABLE t IN SHARE MODE"):
        outcome = stage.apply(stored)["idle"]
    assert (outcome.state, "lock_timeout" in outcome.reason) == ("not done", True), outcome
    assert [row["before"]["alias"] for row in stage.receipts(stored)] != []
    assert definitions(stage) == before


def test_killed_between_rename_and_drop(stage: Stage, tmp_path: Path) -> None:
    """The next run knows the name from the permit and gives the index its own back; then attempt 2 drops it."""
    table(stage, "CREATE INDEX idle ON t (a)")
    stored = approved(stage)
    with holding(stage, "LOCK TABLE t IN SHARE MODE"):
        process = stage.process(stored, tmp_path, patient(stage))
        until(lambda: ours(stage))
        stage.until_running("DROP INDEX%")
        kill(process)
        until(lambda: not running(stage.dsn, "DROP INDEX%"))
    assert stage.permits(stored) == [("idle", 1, None)]
    assert states(stage.apply(stored, run_id="the next run")) == {"idle": "done"}
    assert stage.permits(stored) == [("idle", 1, "not done"), ("idle", 2, "done")]
    assert (names(stage), any("Clearing public.upkeep_" in text for text in stage.said)) == (set(), True)


def test_killed_when_the_index_is_invalid_already(stage: Stage, tmp_path: Path) -> None:
    """The receipt says what half-happened, also long after the plan's time, and the index has its name again."""
    table(stage, "CREATE INDEX idle ON t (a)")
    stored = approved(stage)
    with holding(stage, "SELECT FROM t"):
        process = stage.process(stored, tmp_path, patient(stage))
        until(lambda: [name for name in ours(stage) if not definitions(stage)[name][1]])
        kill(process)
        until(lambda: not running(stage.dsn, "DROP INDEX%"))
        late = stage.apply(stored, clock=lambda: stored.plan.not_after)
        assert (states(late), names(stage)) == ({"idle": "refused"}, {"idle"})
    (receipt,) = stage.receipts(stored)
    assert receipt["outcome"] == "partly done"
    assert "it is invalid, no query can use it" in receipt["reason"]
    assert states(stage.apply(stored)) == {"idle": "done"}


@pytest.mark.parametrize(
    ("always", "seconds", "left_ms", "stays"),
    [
        (True, 0.2, -1, ""),
        (False, 0.2, -1, "left behind: remains, as they are"),
        (False, 600, 2000, "left behind: remains, as they are (canceling statement due to statement timeout"),
    ],
    ids=["always", "too late", "too slow"],
)
def test_what_is_always_taken_away_gets_the_time_of_a_look(
    stage: Stage, always: bool, seconds: float, left_ms: int, stays: str
) -> None:
    """After the plan's time it is given what a look may take; what may stay gets what the plan has left."""
    stage.do("CREATE TABLE remains ()")
    takes = f"DO $$ BEGIN PERFORM pg_sleep({seconds}); DROP TABLE public.remains; END $$"
    leftover = Leftover("remains", takes, "as they are", always)

    def left(session: Session, *_: object) -> list[Leftover]:
        return [leftover for row in session.rows("SELECT to_regclass('public.remains') AS oid") if row["oid"]]

    kind = replace(reindex.ACTION_KIND, leftovers=left)
    with database.standing(to(stage.dsn), stage.config.sql) as target, stage.session() as watching:
        guard = Guard(watching, stage.config, target.connection.info.backend_pid, stage.said.append)
        execution = Execution(target, guard, action(), kind, lambda: datetime.now(UTC))
        assert remove_leftovers(execution, {}, left_ms).partition("; SQL statement")[0] == stays


def test_a_name_that_was_taken_meanwhile_is_told_with_the_way_back(stage: Stage, tmp_path: Path) -> None:
    """Nobody's index is touched for it: ours stays under the name that the receipt says, and is refused afterwards."""
    table(stage, "CREATE INDEX idle ON t (a)")
    stored, planned_oid = approved(stage), oid(stage, "idle")
    with holding(stage, "LOCK TABLE t IN SHARE MODE"):
        process = stage.process(stored, tmp_path, patient(stage))
        (alias,) = until(lambda: ours(stage))
        stage.until_running("DROP INDEX%")
        kill(process)
        until(lambda: not running(stage.dsn, "DROP INDEX%"))
    stage.do("CREATE INDEX idle ON t (b)")
    outcome = stage.apply(stored)["idle"]
    assert (outcome.state, outcome.reason) == ("refused", f"the index has been renamed to public.{alias}")
    (receipt,) = stage.receipts(stored)
    assert receipt["outcome"] == "partly done"
    back = f'ALTER INDEX "public"."{alias}" RENAME TO "idle"'
    assert f"left behind: public.{alias}, it is the index itself; {back}" in receipt["reason"]
    assert 'relation "idle" already exists' in receipt["reason"]
    assert (oid(stage, alias), names(stage)) == (planned_oid, {alias, "idle"})
    stage.do("DROP INDEX idle", back.encode())
    assert oid(stage, "idle") == planned_oid


def test_the_form_says_that_the_index_is_renamed_first(stage: Stage) -> None:
    """What people approve is what happens."""
    table(stage, "CREATE INDEX idle ON t (a)")
    assert "first given a name that only it can have" in body(planned(stage).plan, "dba", {}, ["ann"])


# What cannot be bound is compared -------------------------------------------------------------------------------


@pytest.mark.guide("G55-G58", "holds")
def test_a_rebuild_of_another_index_is_said_so(worn: Stage) -> None:
    """Names swap while REINDEX waits: it rebuilds the wrong one, which the outcome says with both OIDs, critically."""
    worn.do("CREATE INDEX other ON worn (b)")
    stored, before = rebuilds(worn), {name: oid(worn, name) for name in (PKEY, "other")}
    with swapping(worn, PKEY, "other"):
        going = Go(lambda: worn.apply(stored, config=patient(worn)))
        until_waiting(worn)
    outcome = going.result()[PKEY]
    assert outcome.state == "ran on another object"
    assert f"OID {oid(worn, PKEY)}" in outcome.reason
    assert f"the planned one (OID {before[PKEY]}) was not, and is called public.other" in outcome.reason
    assert oid(worn, PKEY) not in before.values()
    assert worn.permits(stored) == [(PKEY, 1, "ran on another object")]
    assert _finding(outcome).level == Level.CRITICAL
    assert states(worn.apply(stored)) == {PKEY: "ran on another object"}


def test_a_rebuild_whose_name_went_to_a_twin_meanwhile_is_not_done(worn: Stage) -> None:
    """An index of the same definition takes the name before anything began: the planned one is there as it was."""
    worn.do("CREATE INDEX other ON worn (b)", "CREATE INDEX twin ON worn (b)")
    (action,) = rebuilds(worn).plan.actions
    with worn.session() as session:
        before = reindex.state(session, action)
    worn.do("ALTER INDEX worn_pkey RENAME TO aside", "ALTER INDEX twin RENAME TO worn_pkey")
    with worn.session() as session:
        after = reindex.state(session, action)
    assert before is not None
    assert not reindex.was_done(action, before, after)
    assert reindex.elsewhere(action, before, after) == ""


@pytest.mark.guide("G52", "holds")
def test_a_vacuum_of_another_table_is_said_so(stage: Stage) -> None:
    """Two tables swap names while VACUUM waits for its lock."""
    stage.dirty("kept")
    stored = stage.approved()
    stage.do("CREATE TABLE other (id int, wide text)")
    planned_oid = oid(stage, "kept")
    with swapping(stage, "kept", "other", kind="TABLE"):
        going = Go(lambda: stage.apply(stored, config=patient(stage)))
        until_waiting(stage)
    outcome = going.result()["kept"]
    assert outcome.state == "ran on another object"
    assert f"OID {oid(stage, 'kept')}" in outcome.reason
    assert f"the planned one (OID {planned_oid}) is called public.other and was not touched" in outcome.reason
    assert stage.vacuums() == {"kept": 1, "other": 0}


def test_an_analyze_of_another_table_is_rolled_back(stage: Stage) -> None:
    """It is a transaction: what was read of the other table is not kept."""
    stage.do("CREATE TABLE kept (id int) WITH (autovacuum_enabled = false)", "ANALYZE kept")
    stage.do("INSERT INTO kept SELECT generate_series(1, 5000)")
    until(stage.candidates)
    stored = stage.approved()
    assert [action.verb for action in stored.plan.actions] == ["analyze"]
    stage.do("CREATE TABLE other AS SELECT * FROM kept")
    with swapping(stage, "kept", "other", kind="TABLE"):
        going = Go(lambda: stage.apply(stored, config=patient(stage)))
        until_waiting(stage)
    outcome = going.result()["kept"]
    assert (outcome.state, outcome.reason) == ("not done", "the table has been renamed to public.other")
    assert stage.look("SELECT FROM pg_stats WHERE schemaname = 'public'") == []
