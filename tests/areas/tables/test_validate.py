"""Validating constraints that no row breaks (G60): done for real, refused when things changed, and never by half."""

from __future__ import annotations

import secrets
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from tests.stages.killing import kill, patient
from tests.stages.platform import login
from tests.stages.sessions import running, until
from tests.stages.stage import Go, Stage, changed, states
from tests.stages.validations import approved, collected
from upkeep.areas.tables import constraints
from upkeep.wires import database

NAME = "t.positive"


@pytest.fixture
def loose(stage: Stage) -> Stage:
    """A target with a CHECK that was never validated, and no row that breaks it."""
    stage.do(
        "CREATE TABLE t (id int PRIMARY KEY, parent int) WITH (autovacuum_enabled = false)",
        "INSERT INTO t SELECT n, n FROM generate_series(1, 500) n",
        "ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0) NOT VALID",
    )
    return stage


def validated(stage: Stage) -> dict[str, bool]:
    """Constraint → whether it holds for all rows."""
    rows = stage.look("SELECT conname, convalidated FROM pg_constraint WHERE contype IN ('c', 'f') AND conrelid > 0")
    return {row["conname"]: row["convalidated"] for row in rows}


@pytest.mark.guide("G60", "holds")
def test_constraints_that_nothing_breaks_are_validated(loose: Stage) -> None:
    """CHECK and foreign key; afterwards nothing is proposed, and only the month's plan had it."""
    loose.do("ALTER TABLE t ADD CONSTRAINT child FOREIGN KEY (parent) REFERENCES t NOT VALID")
    assert collected(loose, cadence="weekly") == []
    stored = approved(loose)
    statements = {action.table: action.statement for action in stored.plan.actions}
    assert statements[NAME] == 'ALTER TABLE "public"."t" VALIDATE CONSTRAINT "positive"'
    locks = {action.table: action.lock for action in stored.plan.actions}
    assert locks == {
        NAME: "SHARE UPDATE EXCLUSIVE",
        "t.child": "SHARE UPDATE EXCLUSIVE, and ROW SHARE on the table it refers to",
    }
    assert states(loose.apply(stored)) == {NAME: "done", "t.child": "done"}
    assert validated(loose) == {"positive": True, "child": True}
    assert collected(loose) == []


def test_what_a_row_breaks_is_not_proposed(loose: Stage) -> None:
    """Nor what is approved elsewhere."""
    ((proposal),) = collected(loose)
    assert proposal.measured["violators"] == 0
    assert collected(loose, proposal.action) == []
    loose.do("ALTER TABLE t DROP CONSTRAINT positive", "INSERT INTO t VALUES (-1)")
    loose.do("ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0) NOT VALID")
    assert collected(loose) == []


def test_what_is_read_is_what_is_measured(loose: Stage) -> None:
    """A CHECK reads the inheritance children too; one with NO INHERIT and a foreign key read their own table alone."""
    loose.do(
        "ALTER TABLE t ADD CONSTRAINT own CHECK (id > 0) NO INHERIT NOT VALID",
        "ALTER TABLE t ADD CONSTRAINT child FOREIGN KEY (parent) REFERENCES t NOT VALID",
        "CREATE TABLE below () INHERITS (t)",
        "INSERT INTO below SELECT n, n FROM generate_series(1, 5000) n",
    )
    (sizes,) = loose.look("SELECT pg_relation_size('t') AS t, pg_relation_size('below') AS below")
    proposed = collected(loose)
    with loose.session() as session, psycopg.connect(loose.dsn) as reader:
        reader.execute("SELECT FROM t, below LIMIT 0")  # its lock, as anybody's, does not make the size a guess
        now = {one.action.table: (constraints.state(session, one.action) or {})["table_bytes"] for one in proposed}
    planned = {one.action.table: one.measured["bytes"] for one in proposed}
    both = sizes["t"] + sizes["below"]
    assert now == planned == {NAME: both, "t.own": sizes["t"], "t.child": sizes["t"]}


def test_a_row_that_broke_it_after_the_plan_ends_as_not_done(loose: Stage) -> None:
    """Triggers that check a foreign key can be off for a while: the statement fails cleanly and says why."""
    loose.do("ALTER TABLE t DROP CONSTRAINT positive")
    loose.do("ALTER TABLE t ADD CONSTRAINT child FOREIGN KEY (parent) REFERENCES t NOT VALID")
    stored = approved(loose)
    loose.do(
        "ALTER TABLE t DISABLE TRIGGER ALL",
        "UPDATE t SET parent = 9999 WHERE id = 1",
        "ALTER TABLE t ENABLE TRIGGER ALL",
    )
    outcome = loose.apply(stored)["t.child"]
    assert (outcome.state, "violates foreign key constraint" in outcome.reason) == ("not done", True), outcome
    assert validated(loose) == {"child": False}
    assert loose.permits(stored) == [("t.child", 1, "not done")]


MEANWHILE = {
    "dropped": ("ALTER TABLE t DROP CONSTRAINT positive", "the constraint is gone since the plan was drawn up"),
    "made again": (
        "ALTER TABLE t DROP CONSTRAINT positive; ALTER TABLE t ADD CONSTRAINT positive CHECK (id > 0) NOT VALID",
        "the constraint is gone since the plan was drawn up",
    ),
    "its table dropped": ("DROP TABLE t", "the constraint is gone since the plan was drawn up"),
    "renamed": ("ALTER TABLE t RENAME CONSTRAINT positive TO negative", "it has been renamed to public.t.negative"),
    "its table renamed": ("ALTER TABLE t RENAME TO u", "it has been renamed to public.u.positive"),
    "a column's type changed": ("ALTER TABLE t ALTER id TYPE bigint", "the constraint is gone since the plan"),
    "validated": ("ALTER TABLE t VALIDATE CONSTRAINT positive", "somebody has validated it"),
}


@pytest.mark.parametrize(("statements", "why"), MEANWHILE.values(), ids=MEANWHILE.keys())
def test_what_changed_since_the_plan_is_refused(loose: Stage, statements: str, why: str) -> None:
    """No permit is given, and nothing is validated by us."""
    stored = approved(loose)
    loose.do(*(statement.encode() for statement in statements.split(";")))
    before = validated(loose)
    (outcome,) = loose.apply(stored).values()
    assert (outcome.state, why in outcome.reason) == ("refused", True), outcome
    assert (loose.permits(stored), validated(loose)) == ([], before)


def test_what_changes_while_its_lock_is_waited_for_is_left(loose: Stage) -> None:
    """It is looked at once more under the lock: another constraint of that name is not validated."""
    stored = approved(loose)
    patiently = changed(loose.config, guards={"lock_timeout_seconds": 60.0, "poll_seconds": 10.0})
    with psycopg.connect(loose.dsn) as other:
        other.execute("ALTER TABLE t DROP CONSTRAINT positive")
        other.execute("ALTER TABLE t ADD CONSTRAINT positive CHECK (parent > 0) NOT VALID")
        going = Go(lambda: loose.apply(stored, config=patiently))
        until(lambda: running(loose.dsn, "LOCK TABLE ONLY"))
        other.commit()
    outcome = going.result()[NAME]
    assert (outcome.state, "the constraint is gone since the plan" in outcome.reason) == ("not done", True), outcome
    assert validated(loose)["positive"] is False


def test_a_definition_that_changed_is_refused(loose: Stage) -> None:
    """A foreign key can be altered and keep its OID: people approved the one that they were shown."""
    loose.do("ALTER TABLE t DROP CONSTRAINT positive")
    loose.do("ALTER TABLE t ADD CONSTRAINT child FOREIGN KEY (parent) REFERENCES t NOT VALID")
    stored = approved(loose)
    loose.do("ALTER TABLE t ALTER CONSTRAINT child DEFERRABLE INITIALLY DEFERRED")
    outcome = loose.apply(stored)["t.child"]
    assert (outcome.state, outcome.reason) == ("refused", "its definition was changed since the plan was drawn up")


def test_a_lock_that_is_not_free_is_tried_again(loose: Stage) -> None:
    """As often as config says; reading and writing go on beside it."""
    stored = approved(loose)
    with psycopg.connect(loose.dsn) as other:
        other.execute("LOCK TABLE t IN SHARE MODE")
        outcome = loose.apply(stored)[NAME]
    assert (outcome.state, "lock_timeout" in outcome.reason) == ("not done", True), outcome
    assert loose.permits(stored) == [(NAME, 1, "not done"), (NAME, 2, "not done")]
    with psycopg.connect(loose.dsn) as writer:
        writer.execute("UPDATE t SET parent = 1 WHERE id = 1")
        assert states(loose.apply(approved(loose))) == {NAME: "done"}


def test_a_role_that_owns_nothing_validates_nothing_until_it_is_granted(loose: Stage) -> None:
    """The server refuses; the grant for dropping indexes is enough."""
    owner = f'Owner "{secrets.token_hex(4)}"'
    with (
        login(loose.ledger.cluster, loose.dsn, owner),
        login(loose.ledger.cluster, loose.dsn, f"{owner}'s") as maintain,
    ):
        loose.do(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(sql.Identifier(owner)))
        loose.do(sql.SQL("ALTER TABLE t OWNER TO {}").format(sql.Identifier(owner)))
        connectors = loose.connectors(maintain=maintain)
        outcome = loose.apply(approved(loose), connectors=connectors)[NAME]
        assert outcome.state == "not done"
        assert "permission denied" in outcome.reason or "must be owner" in outcome.reason
        loose.do(database.script("setup/index_grants", owner=owner, role=f"{owner}'s").encode())
        assert states(loose.apply(approved(loose), connectors=connectors)) == {NAME: "done"}


def test_names_of_any_kind_are_validated(stage: Stage) -> None:
    """Two constraints of one table are two actions, each under its own name."""
    name = '100% "quoted" 🐘 {x}'
    at = {"n": sql.Identifier(name)}
    for statement in (
        "CREATE SCHEMA {n}",
        "CREATE TABLE {n}.{n} ({n} int)",
        "ALTER TABLE {n}.{n} ADD CONSTRAINT {n} CHECK ({n} > 0) NOT VALID",
        "ALTER TABLE {n}.{n} ADD CONSTRAINT c CHECK ({n}::text <> '%s {{}}') NOT VALID",
    ):
        stage.do(sql.SQL(statement).format(**at))
    assert states(stage.apply(approved(stage))) == {f"{name}.{name}": "done", f"{name}.c": "done"}


def test_killed_before_the_receipt(loose: Stage, tmp_path: Path) -> None:
    """The catalogue shows that it was done, and nothing runs a second time."""
    stored = approved(loose)
    with loose.no_new("receipts"):
        process = loose.process(stored, tmp_path, patient(loose))
        loose.until_locked("receipts")
        kill(process)
        loose.until_nobody("receipts")
    outcome = loose.apply(stored, run_id="the next run")[NAME]
    assert (outcome.state, "ended without a receipt" in outcome.reason) == ("done", True)
    assert loose.permits(stored) == [(NAME, 1, "done")]


def test_killed_while_it_waits(loose: Stage, tmp_path: Path) -> None:
    """Its transaction is rolled back by the server: not done, and attempt 2 does it."""
    stored = approved(loose)
    slow = changed(loose.config, guards={"lock_timeout_seconds": 60.0, "poll_seconds": 10.0})
    with psycopg.connect(loose.dsn) as holder:
        holder.execute("LOCK TABLE t IN SHARE MODE")
        process = loose.process(stored, tmp_path, slow)
        loose.until_running("LOCK TABLE ONLY")
        kill(process)
        until(lambda: not running(loose.dsn, "LOCK TABLE ONLY"))
    outcome = loose.apply(stored, run_id="the next run")[NAME]
    assert outcome.state == "done"
    assert loose.permits(stored) == [(NAME, 1, "not done"), (NAME, 2, "done")]
