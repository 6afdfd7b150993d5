"""Creating an index that a foreign key lacks (G53): only what a restored copy has proven, done for real, taken back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.stages.killing import LOCK_HELD, kill
from tests.stages.proving import INDEX, PROVEN, approved, configured, creations, proofs, prove, refer
from tests.stages.proving import lacking as lacking  # noqa: PLC0414  # a fixture
from tests.stages.sessions import until
from tests.stages.stage import Go, Stage, changed, states
from upkeep.areas.indexes import create
from upkeep.areas.indexes import lacking as lacking_keys
from upkeep.gate.apply.outcomes import ActionOutcome
from upkeep.gate.apply.target import LOCK
from upkeep.gate.plans.form import body, label
from upkeep.gate.predictions import AT_ONCE_MS
from upkeep.settings.approval import NamedStatement
from upkeep.wires import database


def there(stage: Stage) -> dict[str, bool]:
    """Index → whether it is valid, but for primary keys."""
    rows = stage.look(
        "SELECT i.relname, x.indisvalid AS valid FROM pg_index x JOIN pg_class i ON i.oid = x.indexrelid"
        " WHERE i.relnamespace = 'public'::regnamespace AND NOT x.indisprimary"
    )
    return {row["relname"]: row["valid"] for row in rows}


@contextmanager
def snapshot(stage: Stage) -> Iterator[None]:
    """A long transaction elsewhere: CREATE INDEX CONCURRENTLY waits for it at its end."""
    with psycopg.connect(stage.dsn) as holder:
        holder.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        holder.execute("SELECT count(*) FROM pg_class")
        yield


# The plan -------------------------------------------------------------------------------------------------------


@pytest.mark.guide("G53", "holds")
def test_only_a_proven_index_is_planned_and_then_created(lacking: Stage) -> None:
    """With the time and the size that were measured on the copy; done, it is missing no more, and its undo drops it."""
    assert creations(lacking) == []
    prove(lacking, PROVEN | {"proven": False})
    assert creations(lacking) == []
    prove(lacking, PROVEN)
    (proposal,) = creations(lacking)
    action = proposal.action
    assert action.statement == 'CREATE INDEX CONCURRENTLY "many_one_idx" ON "public"."many" ("one")'
    assert (action.verb, action.predicted_ms, action.predicted_bytes) == ("create", 400, -90_112)
    by = "proven by the key's own lookup on a restored copy with data of "
    assert f"foreign key to_one has no index; {by}" in action.because
    assert action.because.endswith("UTC: built in 400 ms, 88 kB")
    assert proposal.measured["the key's own lookup"] == "estimated cost 180 without, 8 with it"
    assert proposal.measured["deletes of referenced rows"] == 1
    stored = approved(lacking)
    assert label(stored.plan, stored.plan.actions[0], proposal.measured) == "CREATE many_one_idx, needs 88 kB"
    assert "built in 400 ms, 88 kB`; takes about 400 ms" in body(stored.plan, "dba", {}, ["ann"])
    outcome = lacking.apply(stored)[INDEX]
    assert (outcome.state, outcome.reason) == ("done", "")
    assert there(lacking) == {INDEX: True}
    assert creations(lacking) == []
    lacking.do(action.undo.encode())
    assert there(lacking) == {}
    assert len(creations(lacking)) == 1


@pytest.mark.guide("G53", "holds")
def test_a_named_statement_proves_an_index_for_as_long_as_config_has_it(lacking: Stage) -> None:
    """Where no lookup is counted too; the plan says which statement it was, with its costs."""
    statement = NamedStatement(name="of_one", sql="SELECT id FROM public.many WHERE one = $1")
    one = {"name": "of_one", "digest": statement.digest, "before": 4000.0, "after": 12.5, "indexed": True}
    named = {"statements": [one | {"proven": True, "why": ""}]}
    prove(lacking, PROVEN | {"proven": False} | named)
    assert creations(lacking) == []
    lacking.config = configured(lacking, statements=(statement,))
    (proposal,) = creations(lacking)
    assert "; proven by statement of_one on a restored copy with data of " in proposal.action.because
    assert proposal.measured["statement of_one"] == "estimated cost 4,000 without, 12 with it"
    assert "the key's own lookup" not in proposal.measured  # that is not counted
    lacking.do("SELECT pg_stat_reset()", "ANALYZE many")
    until(lambda: creations(lacking)[0].measured["deletes of referenced rows"] == 0)
    prove(lacking, PROVEN, ago=timedelta(0))
    assert reasons(lacking, PROVEN)["to_one"].endswith(
        "so that nothing looks rows up by it; nor by a statement of indexes.statements"
    )
    assert creations(lacking) == []
    prove(lacking, PROVEN | named, ago=timedelta(0))
    assert states(lacking.apply(approved(lacking))) == {INDEX: "done"}
    lacking.do(f"DROP INDEX {INDEX}".encode())
    for text in ("SELECT 1 FROM public.many WHERE one = $1", "SELECT 2"):
        lacking.config = configured(lacking, statements=(NamedStatement(name="of_one", sql=text),))
        assert creations(lacking) == []


def test_a_month_plans_it_too_and_an_old_proof_is_none(lacking: Stage) -> None:
    """On a first Sunday the monthly window does the weekly one's changes; a proof counts for indexes.proof_days."""
    prove(lacking, PROVEN, ago=timedelta(days=7))
    assert len(creations(lacking, cadence="monthly")) == 1
    lacking.config = changed(lacking.config, indexes={"proof_days": 6.0})
    assert creations(lacking) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"constraint": "another"},
        {"columns": ["id"]},
        {"table": "else"},
        {"column_types": ["bigint"]},
        {"system_identifier": "1"},
        {"data_as_of": "2020-01-01T00:00:00+00:00"},
        {"data_as_of": "2990-01-01T00:00:00+00:00"},
    ],
)
def test_a_proof_of_something_else_proves_nothing(lacking: Stage, fields: dict[str, Any]) -> None:
    """Another constraint, column, table, type, cluster; data that are old, or of a time that is still to come."""
    prove(lacking, PROVEN | fields)
    assert creations(lacking) == []


def test_without_room_nothing_is_planned(lacking: Stage) -> None:
    """Twice its size must be free, and how much is free must be known."""
    prove(lacking, PROVEN)
    for storage in (None, 1):
        lacking.config = configured(lacking, storage=storage)
        assert creations(lacking) == []
    lacking.config = configured(lacking)
    assert len(creations(lacking)) == 1


def test_a_small_table_and_one_that_has_an_index_by_now_are_left_alone(lacking: Stage) -> None:
    """What the check does not advise any more is not planned, whatever was proven."""
    prove(lacking, PROVEN)
    lacking.config = configured(lacking, advice_rows=100_000)
    assert creations(lacking) == []
    lacking.config = configured(lacking)
    lacking.do("CREATE INDEX by_hand ON many (one, id)")
    assert creations(lacking) == []


def test_what_is_approved_elsewhere_is_left_out(lacking: Stage) -> None:
    """By the foreign key's OID."""
    prove(lacking, PROVEN)
    (proposal,) = creations(lacking)
    assert creations(lacking, proposal.action) == []


def test_a_table_that_has_grown_takes_longer(lacking: Stage) -> None:
    """Time and size go with it; what was at once stays at once."""
    prove(lacking, PROVEN | {"table_bytes": 8192})
    (proposal,) = creations(lacking)
    pages = proposal.measured["table bytes"] / 8192
    assert (proposal.action.predicted_ms, -proposal.action.predicted_bytes) == (round(400 * pages), 90_112 * pages)
    prove(lacking, PROVEN | {"seconds": 0.001}, ago=timedelta(0))
    assert creations(lacking)[0].action.predicted_ms == AT_ONCE_MS


@pytest.mark.parametrize("table", ["n" * 63, "ä" * 31, 'a "b" 100% {x}'])
def test_names_of_any_kind(lacking: Stage, table: str) -> None:
    """A name is cut between characters, and one that is taken gets a number."""
    column = 'der "Eine" 100%'
    refer(lacking, table, column)
    lacking.do(sql.SQL("CREATE VIEW {} AS SELECT 1").format(sql.Identifier(create._name(table, [column], ""))))
    prove(lacking, PROVEN | {"table": table, "columns": [column]})
    stored = approved(lacking)
    (action,) = stored.plan.actions
    assert action.table == create._name(table, [column], "1")
    assert len(action.table.encode()) <= 63
    assert states(lacking.apply(stored)) == {action.table: "done"}
    assert there(lacking) == {action.table: True}


def reasons(stage: Stage, *trials: dict[str, Any]) -> dict[str, str]:
    """What the check says of each foreign key, by its constraint; the plan holds those that are proven and no other."""
    now = datetime.now(UTC)
    body = proofs(stage, *trials, at=now - timedelta(hours=1)) if trials else None
    with database.session(lambda: psycopg.connect(stage.dsn), stage.config.sql, read_only=True) as session:
        rows = lacking_keys.judged(session, stage.config, stage.name, body, now)
        planned = create.candidates(session, stage.config, stage.name, body, now, ())
    assert {row["constraint"] for row in planned} == {row["constraint"] for row in rows if not row["why"]}
    return {row["constraint"]: row["why"] for row in rows}


def test_what_is_not_proposed_says_why(lacking: Stage) -> None:
    """Not tried, could not be tried, not proven, another cluster's, too old, no room, no lookups; proven none."""
    assert reasons(lacking)["to_one"] == "no restoration has tried it yet"
    for fields, said in (
        ({"why": "no room"}, "could not try it: no room"),
        ({"proven": False}, "it was not proven: the key's own lookup costs 180 without and 8 with it"),
        ({"system_identifier": "1"}, "it was proven on a copy of cluster 1, this is"),
        (
            {"data_as_of": "2020-01-01T00:00:00+00:00"},
            "its proof is by data of 2020-01-01 00:00 UTC, expected at most 8",
        ),
        ({"bytes": 10**12}, "are free, expected at least"),
    ):
        assert said in reasons(lacking, PROVEN | fields)["to_one"]
    assert reasons(lacking, PROVEN) == {"to_one": ""}
    lacking.config = configured(lacking, storage=None)
    assert reasons(lacking, PROVEN)["to_one"].startswith("it is not known whether there is room")
    lacking.config = configured(lacking)
    lacking.do("SELECT pg_stat_reset()", "ANALYZE many")
    until(lambda: reasons(lacking, PROVEN)["to_one"].startswith("no delete and no change of a referenced row"))
    lacking.do("ALTER TABLE one ADD note int", "CREATE INDEX ON one (note)", "UPDATE one SET note = id WHERE id = 1")
    until(lambda: reasons(lacking, PROVEN) == {"to_one": ""})  # no HOT update: it may have given the row another key
    lacking.do("ALTER TABLE many SET UNLOGGED")
    assert reasons(lacking, PROVEN)["to_one"].startswith("its table is temporary or unlogged")


def test_of_keys_that_one_index_helps_the_longest_is_planned(lacking: Stage) -> None:
    """Its columns begin with those of the other, in whatever order; one of other columns is planned beside it."""
    lacking.do(
        "CREATE TABLE pairs (a int, b int, PRIMARY KEY (a, b))",
        "INSERT INTO pairs VALUES (1, 1), (2, 2)",
        "DELETE FROM pairs WHERE a = 2",
        "ALTER TABLE many ADD a int, ADD b int",
        "ALTER TABLE many ADD CONSTRAINT to_pair FOREIGN KEY (one, b) REFERENCES pairs NOT VALID",
        "ALTER TABLE many ADD CONSTRAINT to_other FOREIGN KEY (b) REFERENCES one NOT VALID",
    )
    until(lambda: lacking.look("SELECT WHERE pg_stat_get_tuples_deleted('pairs'::regclass) > 0"))
    pair = PROVEN | {"constraint": "to_pair", "columns": ["one", "b"], "column_types": ["integer", "integer"]}
    other = PROVEN | {"constraint": "to_other", "columns": ["b"]}
    assert reasons(lacking, PROVEN, pair, other) == {
        "to_one": "the index for to_pair helps it too",
        "to_pair": "",
        "to_other": "",
    }
    assert reasons(lacking, PROVEN)["to_one"] == ""


def test_no_prediction_is_below_what_reading_the_table_takes(lacking: Stage) -> None:
    """A snapshot is not signed: whoever writes one cannot make a large build look like nothing."""
    slow = changed(lacking.config, optimise={"megabytes_per_second": 0.01})
    lacking.config = slow
    prove(lacking, PROVEN | {"seconds": 0.0, "bytes": 0})
    (proposal,) = creations(lacking)
    table = proposal.measured["table bytes"]
    assert -proposal.action.predicted_bytes == table // 100
    assert proposal.action.predicted_ms >= 2 * table / (0.01 * 1024**2) * 1000


# Refused --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        ("ALTER TABLE many DROP CONSTRAINT to_one", "the foreign key is gone"),
        ("ALTER TABLE many RENAME COLUMN one TO two", "was changed or renamed"),
        ("ALTER TABLE many RENAME TO lots", "was changed or renamed"),
        ("CREATE INDEX by_hand ON many (one)", "an index begins with the foreign key's columns by now"),
        ("CREATE VIEW many_one_idx AS SELECT 1", "something has the index's name by now"),
    ],
)
def test_what_changed_since_the_plan_is_refused(lacking: Stage, meanwhile: str, said: str) -> None:
    """Nothing is built."""
    prove(lacking, PROVEN)
    stored = approved(lacking)
    lacking.do(meanwhile.encode())
    before = there(lacking)
    outcome = lacking.apply(stored)[INDEX]
    assert (outcome.state, said in outcome.reason) == ("refused", True), outcome
    assert there(lacking) == before


@pytest.mark.parametrize(("storage", "said"), [(None, "found none"), (1, "bytes are free by now, expected at least")])
def test_room_is_asked_for_again(lacking: Stage, storage: int | None, said: str) -> None:
    """Config knows none any more, or others have taken it."""
    prove(lacking, PROVEN)
    stored = approved(lacking)
    outcome = lacking.apply(stored, config=configured(lacking, storage=storage))[INDEX]
    assert (outcome.state, said in outcome.reason) == ("refused", True), outcome
    assert there(lacking) == {}


def test_a_build_that_ends_early_leaves_nothing(lacking: Stage) -> None:
    """A long transaction elsewhere: each attempt leaves an invalid index, which is removed under its permit."""
    prove(lacking, PROVEN)
    stored = approved(lacking)
    with snapshot(lacking):
        outcome = lacking.apply(stored)[INDEX]
        assert there(lacking) == {}
    assert (outcome.state, "lock_timeout" in outcome.reason) == ("not done", True), outcome
    assert lacking.permits(stored) == [(INDEX, 1, "not done"), (INDEX, 2, "not done")]
    assert len(creations(lacking)) == 1


def built_meanwhile(stage: Stage, *meanwhile: str) -> ActionOutcome:
    """The outcome where names change while the statement waits for its lock."""
    prove(stage, PROVEN)
    stage.do("CREATE TABLE other (one int)", "ALTER TABLE many ADD two int")
    stored = approved(stage)
    longer = changed(stage.config, guards={"lock_timeout_seconds": 60.0})
    waiting = (
        "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        " AND query ~ '^CREATE INDEX'"
    )
    with psycopg.connect(stage.dsn) as holder:
        for statement in meanwhile:
            holder.execute(statement.encode())
        going = Go(lambda: stage.apply(stored, config=longer))
        until(lambda: stage.look(waiting))
    return going.result()[INDEX]


@pytest.mark.parametrize(
    ("meanwhile", "said"),
    [
        (("ALTER TABLE many RENAME TO away", "ALTER TABLE other RENAME TO many"), "is on another table (OID "),
        (
            (
                "ALTER TABLE many RENAME one TO three",
                "ALTER TABLE many RENAME two TO one",
                "ALTER TABLE many RENAME three TO two",
            ),
            "is of other columns (numbers 3, planned 2), which had the names meanwhile",
        ),
    ],
)
def test_an_index_that_is_not_the_planned_one_is_said_so(lacking: Stage, meanwhile: tuple[str, ...], said: str) -> None:
    """Names of tables or columns are swapped while the statement waits: it looks what they stand for only then."""
    outcome = built_meanwhile(lacking, *meanwhile)
    assert (outcome.state, said in outcome.reason) == ("ran on another object", True), outcome
    assert there(lacking) == {INDEX: True}


def test_an_index_whose_foreign_key_went_meanwhile_is_said_so(lacking: Stage) -> None:
    """It was built, and nothing needs it: not "not done"."""
    outcome = built_meanwhile(lacking, "ALTER TABLE many DROP CONSTRAINT to_one")
    assert outcome.state == "partly done", outcome
    assert "was built, but its foreign key is gone: DROP INDEX CONCURRENTLY" in outcome.reason
    assert there(lacking) == {INDEX: True}


def test_an_invalid_index_whose_foreign_key_went_meanwhile_is_removed(lacking: Stage) -> None:
    """By its name and OID, whatever became of the key."""
    prove(lacking, PROVEN)
    stored = approved(lacking)
    longer = changed(lacking.config, guards={"lock_timeout_seconds": 60.0})
    with snapshot(lacking):
        going = Go(lambda: lacking.apply(stored, config=longer))
        until(lambda: there(lacking) == {INDEX: False})
        key = lacking.look("SELECT oid::bigint FROM pg_constraint WHERE conname = 'to_one'")[0]["oid"]
        with psycopg.connect(lacking.dsn, autocommit=True) as owner:  # DROP CONSTRAINT would wait for the build
            owner.execute("SET allow_system_table_mods = on")
            owner.execute("DELETE FROM pg_constraint WHERE oid = %s", (key,))
        lacking.do(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database()"
            " AND query ~ '^CREATE INDEX'"
        )
        outcome = going.result()[INDEX]
    assert outcome.state == "not done", outcome
    assert there(lacking) == {}


def test_a_table_that_has_outgrown_its_plan_is_refused(lacking: Stage) -> None:
    """Its own bytes then and now are compared, not the index's with the table's."""
    prove(lacking, PROVEN)
    stored = approved(lacking)
    lacking.do("INSERT INTO many SELECT n, 1 FROM generate_series(1, 60000) n")
    outcome = lacking.apply(stored)[INDEX]
    assert (outcome.state, "it has grown from " in outcome.reason) == ("refused", True), outcome
    assert there(lacking) == {}


def test_the_next_run_finishes_what_a_killed_process_left(lacking: Stage, tmp_path: Path) -> None:
    """Killed amid the build: the invalid index is taken away, and it is built."""
    prove(lacking, PROVEN)
    stored = approved(lacking)
    longer = changed(lacking.config, guards={"lock_timeout_seconds": 60.0})
    with snapshot(lacking):
        process = lacking.process(stored, tmp_path / "killed", longer)
        until(lambda: there(lacking) == {INDEX: False})
        kill(process)
    until(lambda: not lacking.look(LOCK_HELD, LOCK))
    outcome = lacking.apply(stored, run_id="the next run")[INDEX]
    assert (outcome.state, there(lacking)) == ("done", {INDEX: True}), outcome


@pytest.mark.guide("X11", "holds")
def test_no_look_waits_for_a_lock(lacking: Stage) -> None:
    """Somebody has ACCESS EXCLUSIVE on the table: it is planned, and not done for want of the lock."""
    prove(lacking, PROVEN)
    with psycopg.connect(lacking.dsn) as holder:
        holder.execute("LOCK TABLE many, one")
        stored = approved(lacking)
        outcome = lacking.apply(stored)[INDEX]
    assert (outcome.state, "lock_timeout" in outcome.reason) == ("not done", True), outcome
    assert there(lacking) == {}
