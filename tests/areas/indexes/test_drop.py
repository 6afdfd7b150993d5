"""Drops of indexes (G53): what is proposed, applied for real, refused when things changed, and taken back."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from psycopg import sql

from tests.stages.drops import approved, collected, config, definitions, names, note, planned, table
from tests.stages.platform import login
from tests.stages.sessions import until
from tests.stages.stage import Go, Stage, changed, states
from upkeep.areas.indexes import propose
from upkeep.areas.tables import vacuum
from upkeep.core.text import visible
from upkeep.gate.plans.form import body
from upkeep.gate.plans.model import Action, numbered
from upkeep.wires import database

INDEXES = {
    "plain": "CREATE INDEX {} ON t (a)",
    "partial": "CREATE INDEX {} ON t (a DESC NULLS LAST, b COLLATE \"C\" text_pattern_ops) WHERE b <> 'CREATE INDEX '",
    "included": "CREATE INDEX {} ON t (a) INCLUDE (b) WITH (fillfactor = 70)",
    "brin": "CREATE INDEX {} ON t USING brin (a) WITH (pages_per_range = 4)",
    "hash": "CREATE INDEX {} ON t USING hash (b)",
}


@pytest.mark.guide("G53", "fires", "silent")
@pytest.mark.parametrize("statement", INDEXES.values(), ids=INDEXES.keys())
def test_an_unused_index_is_dropped_and_can_be_made_again(stage: Stage, statement: str) -> None:
    """Its receipt says the size and the plan the statement that makes exactly it again; then nothing is proposed."""
    table(stage)
    stage.do(sql.SQL(statement).format(sql.Identifier("Idle")))
    before = definitions(stage)
    stored = approved(stage)
    (action,) = stored.plan.actions
    assert action.statement == 'DROP INDEX CONCURRENTLY "public"."Idle"'
    assert (action.because, action.lock, action.verb) == (propose.UNUSED, "SHARE UPDATE EXCLUSIVE", "drop")
    outcome = stage.apply(stored)["Idle"]
    assert (outcome.state, outcome.reason) == ("done", "")
    assert outcome.receipt is not None
    assert outcome.receipt.before["bytes"] == action.predicted_bytes > 0
    assert outcome.receipt.after == {}
    assert names(stage) == set()
    assert collected(stage) == ([], 0)
    stage.do(action.undo.encode())
    assert definitions(stage) == before


NAMES = {
    "63 bytes": "n" * 63,
    "63 bytes of two each": "ä" * 31,
    "mixed case": "MixedCase",
    "quoted": "with \"quotes\" and 'more'",
    "emoji": "🧹 sweep 🐘",
    "percent": "100% %s %(oid)s %%",
    "newline": "first\nsecond; DROP TABLE x",
    "keyword": "select",
    "a definition": "CREATE INDEX x ON t",
    "dots": "a.b.c",
    "invisible": "a\u202eb\u200b",
}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES.keys())
def test_an_index_of_any_name_is_dropped_and_made_again(stage: Stage, name: str) -> None:
    """Exactly it goes, in a schema of such a name too; form and log cannot be rewritten by it."""
    schema = name[:20]
    at = {"schema": sql.Identifier(schema), "name": sql.Identifier(name)}
    stage.do(
        sql.SQL("CREATE SCHEMA {schema}").format(**at),
        sql.SQL("CREATE TABLE {schema}.t AS SELECT 1 AS a, 2 AS b").format(**at),
        sql.SQL("CREATE INDEX {name} ON {schema}.t (a)").format(**at),
        sql.SQL("CREATE INDEX bystander ON {schema}.t (b)").format(**at),
    )
    before = definitions(stage)
    stored = planned(stage)
    (chosen,) = [action for action in stored.plan.actions if action.table == name]
    form = body(stored.plan, "dba", {}, ["ann"])
    assert visible(chosen.undo) in form.replace("⟨U+0060⟩", "`")
    assert stage.apply(stage.decide(stored, ids={chosen.id}))[name].state == "done"
    assert names(stage) == {"bystander"}
    assert not any("\n" in text for text in stage.said)
    stage.do(chosen.undo.encode())
    assert definitions(stage) == before


def test_a_duplicate_goes_and_the_other_one_stays(stage: Stage) -> None:
    """The reason names the index that is kept; the form shows it, and so it is in the digest."""
    table(stage, "CREATE UNIQUE INDEX kept ON t (a)", "CREATE INDEX twin ON t (a)")
    stored = approved(stage)
    (action,) = stored.plan.actions
    assert action.because == f"{propose.DUPLICATE}, kept"
    assert states(stage.apply(stored)) == {"twin": "done"}
    assert names(stage) == {"kept"}


def test_an_invalid_leftover_goes(stage: Stage) -> None:
    """What a failed CREATE UNIQUE INDEX CONCURRENTLY left is dropped."""
    table(stage, "UPDATE t SET a = 1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        stage.do("CREATE UNIQUE INDEX CONCURRENTLY half ON t (a)")
    stored = approved(stage)
    assert [action.because for action in stored.plan.actions if action.kind == "indexes"] == [propose.INVALID]
    assert stage.apply(stored)["half"].state == "done"
    assert names(stage) == set()


# What changed between plan and apply ----------------------------------------------------------------------------

USE = "SET enable_seqscan = off; SELECT a FROM t WHERE a = 1; SELECT pg_stat_force_next_flush()"

MEANWHILE = {
    "dropped by someone else": ("DROP INDEX idle", "the index is gone since the plan was drawn up"),
    "made again": ("DROP INDEX idle; CREATE INDEX idle ON t (a)", "the index is gone since the plan was drawn up"),
    "its table dropped": ("DROP TABLE t", "the index is gone since the plan was drawn up"),
    "renamed": ("ALTER INDEX idle RENAME TO busy", "the index has been renamed to public.busy"),
    "another one under its name": (
        "ALTER INDEX idle RENAME TO other; CREATE INDEX idle ON t (b)",
        "the index has been renamed to public.other",
    ),
    "altered": ("ALTER INDEX idle SET (fillfactor = 50)", "the index's definition was changed"),
    "clustered": ("CLUSTER t USING idle", "CLUSTER or a partitioned index rests on it by now"),
    "attached to a partitioned index": (
        "CREATE TABLE p (a int, b text) PARTITION BY RANGE (a); ALTER TABLE p ATTACH PARTITION t DEFAULT;"
        " CREATE INDEX ON p (a)",
        "a partitioned index rests on it by now",
    ),
}


@pytest.mark.parametrize(("statements", "why"), MEANWHILE.values(), ids=MEANWHILE.keys())
def test_what_changed_since_the_plan_is_refused(stage: Stage, statements: str, why: str) -> None:
    """No permit is given, and nothing is dropped by us."""
    table(stage, "CREATE INDEX idle ON t (a)")
    stored = approved(stage)
    stage.do(*(statement.encode() for statement in statements.split(";")))
    there = names(stage)
    outcome = stage.apply(stored)["idle"]
    assert (outcome.state, why in outcome.reason) == ("refused", True), outcome
    assert (stage.permits(stored), names(stage)) == ([], there)


@pytest.mark.guide("G53", "holds")
def test_an_index_that_was_used_since_the_plan_is_refused(stage: Stage) -> None:
    """One scan between plan and apply is enough."""
    table(stage, "CREATE INDEX idle ON t (a)")
    stored = approved(stage)
    with psycopg.connect(stage.dsn, autocommit=True) as reader:
        for statement in USE.split(";"):
            reader.execute(statement.encode())
    until(lambda: stage.look("SELECT idx_scan FROM pg_stat_user_indexes")[0]["idx_scan"] == 1)
    outcome = stage.apply(stored)["idle"]
    assert (outcome.state, outcome.reason) == ("refused", "a query has used it since the plan was drawn up")
    assert names(stage) == {"idle"}


def test_a_duplicate_whose_twin_went_meanwhile_is_refused(stage: Stage) -> None:
    """The last index that does something is not dropped as needless; another twin will do."""
    table(stage, "CREATE INDEX x ON t (a)", "CREATE INDEX y ON t (a)", "CREATE INDEX z ON t (a)")
    stored = approved(stage)
    stage.do("DROP INDEX x")
    outcomes = stage.apply(stored)
    assert states(outcomes) == {"y": "done", "z": "refused"}
    assert outcomes["z"].reason == "no other valid index of its table does the same any more"
    assert names(stage) == {"z"}


def test_an_invalid_index_that_was_rebuilt_meanwhile_is_refused(stage: Stage) -> None:
    """Whoever rebuilt it wants it."""
    table(stage, "UPDATE t SET a = 1")
    with pytest.raises(psycopg.errors.UniqueViolation):
        stage.do("CREATE UNIQUE INDEX CONCURRENTLY half ON t (a)")
    stored = approved(stage)
    stage.do("DELETE FROM t", "REINDEX INDEX half")
    assert stage.apply(stored)["half"].reason == "it has become valid since the plan was drawn up"


def test_a_drop_that_met_lock_timeout_is_finished_by_the_next_attempt(stage: Stage) -> None:
    """The first attempt leaves the index invalid; under the next permit it goes, although it is invalid by then."""
    table(stage, "CREATE INDEX idle ON t (a)")
    stored = approved(stage)
    patient = changed(stage.config, guards={"lock_attempts": 10})
    with psycopg.connect(stage.dsn) as reader:
        reader.execute("SELECT FROM t")
        going = Go(lambda: stage.apply(stored, config=patient))
        until(lambda: [outcome for *_, outcome in stage.permits(stored)][:1] == ["partly done"])
        assert not definitions(stage)["idle"][1]
    outcome = going.result()["idle"]
    assert outcome.state == "done", outcome
    first, *_, last = stage.permits(stored)
    assert (first, last[2]) == (("idle", 1, "partly done"), "done")
    assert "lock_timeout" in stage.receipts(stored)[0]["reason"]
    assert names(stage) == set()


def test_a_drop_that_never_got_its_lock_is_proposed_again_as_a_leftover(stage: Stage) -> None:
    """After the last attempt the index stays invalid: the next plan proposes to finish it."""
    table(stage, "CREATE INDEX idle ON t (a)")
    with psycopg.connect(stage.dsn) as reader:
        reader.execute("SELECT FROM t")
        assert states(stage.apply(approved(stage))) == {"idle": "partly done"}
    stored = approved(stage)
    assert [action.because for action in stored.plan.actions] == [propose.INVALID]
    assert states(stage.apply(stored)) == {"idle": "done"}


def test_a_role_that_owns_nothing_drops_nothing_until_it_is_granted(stage: Stage) -> None:
    """The server refuses, the receipt says who must own it; the printed grant is enough."""
    owner = f'Owner "{secrets.token_hex(4)}"'
    with (
        login(stage.ledger.cluster, stage.dsn, owner),
        login(stage.ledger.cluster, stage.dsn, f"{owner}'s") as maintain,
    ):
        stage.do(sql.SQL("GRANT CREATE, USAGE ON SCHEMA public TO {}").format(sql.Identifier(owner)))
        table(stage, "CREATE INDEX idle ON t (a)")
        stage.do(sql.SQL("ALTER TABLE t OWNER TO {}").format(sql.Identifier(owner)))
        connectors = stage.connectors(maintain=maintain)
        outcome = stage.apply(approved(stage), connectors=connectors)["idle"]
        assert (outcome.state, "must be owner of index idle" in outcome.reason) == ("not done", True), outcome
        assert (names(stage), rights(maintain)) == ({"idle"}, (1, [owner], None))
        stage.do(database.script("setup/index_grants", owner=owner, role=f"{owner}'s").encode())
        assert rights(maintain) == (0, None, None)
        assert states(stage.apply(approved(stage), connectors=connectors)) == {"idle": "done"}


def test_a_drop_renames_and_needs_create_in_the_schema(stage: Stage) -> None:
    """Tables that were handed to an owner who may not CREATE there: not done, told, and done after the GRANT."""
    owner = f'Owner "{secrets.token_hex(4)}"'
    with (
        login(stage.ledger.cluster, stage.dsn, owner),
        login(stage.ledger.cluster, stage.dsn, f"{owner}'s") as maintain,
    ):
        stage.do("REVOKE CREATE ON SCHEMA public FROM PUBLIC")  # before 15 a new database gives it
        table(stage, "CREATE INDEX idle ON t (a)")
        stage.do(sql.SQL("ALTER TABLE t OWNER TO {}").format(sql.Identifier(owner)))
        stage.do(database.script("setup/index_grants", owner=owner, role=f"{owner}'s").encode())
        connectors = stage.connectors(maintain=maintain)
        outcome = stage.apply(approved(stage), connectors=connectors)["idle"]
        assert (outcome.state, outcome.reason) == ("not done", "permission denied for schema public"), outcome
        assert (names(stage), rights(maintain)) == ({"idle"}, (0, None, ["public"]))
        stage.do(database.script("setup/schema_create", owner=owner, schema="public").encode())
        assert rights(maintain) == (0, None, None)
        assert states(stage.apply(approved(stage), connectors=connectors)) == {"idle": "done"}


def rights(dsn: str) -> tuple[int, list[str] | None, list[str] | None]:
    """How many tables' indexes a role may not drop, whose they are, and the schemas where it may not rename its own."""
    with psycopg.connect(dsn) as connection:
        session = database.Session(connection)
        row = session.row(session.load("setup/index_rights"))
    return row["refused"], row["owners"], row["closed_schemas"]


# The plan -------------------------------------------------------------------------------------------------------


def many(stage: Stage, count: int) -> None:
    """Tables with an unused index each."""
    with psycopg.connect(stage.dsn, autocommit=True) as owner:
        for number in range(count):
            owner.execute(f"CREATE TABLE t{number} AS SELECT 1 AS a".encode())
            owner.execute(f"CREATE INDEX i{number} ON t{number} (a)".encode())


def test_fifty_drops_at_most_and_before_whatever_else(stage: Stage) -> None:
    """Drops come first, so that nothing is vacuumed for an index that goes; the others wait and are counted."""
    many(stage, 53)
    stage.dirty("worn")
    found, left_out = collected(stage)
    assert [proposal.action.kind for proposal in found] == ["indexes"] * 50 + ["optimise"]
    assert left_out == 3


@pytest.mark.guide("G53", "fires", "silent")
def test_a_plan_takes_since_when_an_index_is_known_from_the_newest_snapshot(stage: Stage) -> None:
    """Whichever step of that name and window left it; an index that no snapshot knows is new and waits."""
    table(stage, "CREATE INDEX idle ON t (a)")
    strict, now = changed(config(stage), indexes={"statistics_days": 1.0}), datetime.now(UTC)
    later = now + timedelta(days=400)
    assert collected(stage, config=strict, now=later) == ([], 0)
    (row,) = stage.look("SELECT 'idle'::regclass::oid::bigint AS oid")
    note(stage, now - timedelta(days=7), "evidence.indexes.unused_indexes", {"1": now.isoformat()})
    note(stage, now, "monthly.unused_indexes", {str(row["oid"]): (later - timedelta(hours=23)).isoformat()})
    assert collected(stage, config=strict, now=later) == ([], 0)
    note(stage, now, "after.indexes.unused_indexes", {str(row["oid"]): (later - timedelta(hours=24)).isoformat()})
    note(stage, now, "evidence.access.permissions", {"anything": 1})
    ((proposal,), _) = collected(stage, config=strict, now=later)
    assert proposal.measured["known since"] == f"{later - timedelta(hours=24):%Y-%m-%d}"


def test_what_is_approved_elsewhere_is_left_out_by_kind_and_oid(stage: Stage) -> None:
    """An index by its OID among the drops alone: the OID of another kind means something else."""
    table(stage, "CREATE INDEX idle ON t (a)")
    ((proposal,), _) = collected(stage)
    assert collected(stage, proposal.action) == ([], 0)
    other = Action(**{**vars(proposal.action), "kind": vacuum.KIND})
    assert len(collected(stage, other)[0]) == 1


def test_the_form_shows_size_rule_and_the_way_back(stage: Stage) -> None:
    """What people decide by: table, bytes, scans, since when, and the statement that takes it back."""
    table(stage, "CREATE INDEX idle ON t (a)")
    began = datetime.now(UTC)
    actions, measured = numbered(collected(stage)[0])
    shown = dict(measured["1"])
    assert shown.pop("statistics since")
    assert shown.pop("known since") in {f"{at:%Y-%m-%d}" for at in (began, datetime.now(UTC))}  # it may be midnight
    assert shown == {"table": "public.t", "bytes": 16384, "scans": 0}
    form = body(stage.plan(actions=actions).plan, "dba", measured, ["ann"])
    assert "undo: `CREATE INDEX CONCURRENTLY idle ON public.t USING btree (a)`" in form
    assert propose.UNUSED in form


Row = dict[str, Any]
ROW: Row = {"schema": "s", "index": "i", "table": "t", "oid": 1, "shape": "x", "bytes": 1, "because": propose.UNUSED}


def test_a_tablespace_comes_back_too() -> None:
    """The catalogue's definition leaves it out, so a second statement moves the index there."""
    row = ROW | {"definition": "CREATE UNIQUE INDEX i ON s.t USING btree (a)", "tablespace": 'Fast "disk"'}
    assert propose.recreate(row) == (
        'CREATE UNIQUE INDEX CONCURRENTLY i ON s.t USING btree (a); ALTER INDEX "s"."i" SET TABLESPACE "Fast ""disk"""'
    )


def test_a_definition_that_is_none_is_refused() -> None:
    """Nothing is made of a text that does not begin as a definition does."""
    with pytest.raises(ValueError, match="found the definition 'DROP TABLE t', expected one that begins with"):
        propose.recreate(ROW | {"definition": "DROP TABLE t", "tablespace": None})
