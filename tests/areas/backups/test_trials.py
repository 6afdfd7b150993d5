"""Missing indexes on a restored copy: built, measured, planned before and after, and gone again (G53)."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any

import psycopg
import pytest

from tests.stages.platform import login
from tests.stages.proving import lacking as lacking  # noqa: PLC0414  # a fixture
from tests.stages.restoring import Platform
from tests.stages.sessions import to
from tests.stages.stage import Stage
from upkeep.areas.backups import server
from upkeep.areas.backups.copies import copy_of
from upkeep.areas.backups.newest import Original
from upkeep.areas.backups.restoration import TRIALS as TOPIC
from upkeep.areas.backups.restoration import restore
from upkeep.areas.backups.scratch import Copy
from upkeep.areas.indexes import lacking as lacking_keys
from upkeep.areas.indexes import refusals, trial, trial_copy
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.approval import NamedStatement
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

CONFIG = settings(ROOT / "config").maintenance
TRIALS = "index_trials"
GOOD, BAD = f"{TRIALS}:public.purchases:of_customer", f"{TRIALS}:public.purchases:in_state"


@pytest.fixture(scope="module")
def missing(backed_up: Platform) -> trial.Wanted:
    """All that the target asks for; its server is started again for that."""
    indexes = CONFIG.indexes.model_copy(update={"advice_rows": 1})
    server = backed_up.cluster.start()
    try:
        connect = partial(psycopg.connect, backed_up.cluster.dsn("postgres"))
        with database.session(connect, CONFIG.sql, read_only=True) as session:
            return trial.wanted(session, indexes, None)
    finally:
        backed_up.cluster.stop(server)


def only(missing: trial.Wanted, *constraints: str) -> trial.Wanted:
    """The keys of these names."""
    by_name = {one["constraint"]: one for one in missing.keys}
    return replace(missing, keys=[by_name[name] for name in constraints])


@pytest.fixture
def asked(missing: trial.Wanted) -> trial.Wanted:
    """The keys of the large table."""
    return only(missing, "of_customer", "in_state")


def tried(
    restorable: Platform, asked: trial.Wanted, known: dict[str, Any] | None = None, target: Original | None = None
) -> LookResult:
    """Restore, try, and see that nothing is left."""
    record, here = known or restorable.known, target or restorable.system.original
    looked = restore(restorable.newest(), here, record, CONFIG.sql, asked)
    assert restorable.left() == []
    assert {one.key for one in looked.findings if not one.key.startswith(TRIALS)} == {
        "restoration",
        *(f"restoration:{part}" for part in ("contents", "reached", "readable", "indexes", "sequences", "collations")),
    }
    return looked


def trials(looked: LookResult) -> dict[str, Finding]:
    """What is said of indexes, by key."""
    return {one.key: one for one in looked.findings if one.key.startswith(TRIALS)}


@contextmanager
def copied(restorable: Platform) -> Iterator[Copy]:
    """A restored copy that answers."""
    found = restorable.newest()
    with copy_of(found.backup.folder, found.config, found.restore, "postgres", []) as copy:
        copy.recover(None, restorable.system.original.settings, "recovery")
        yield copy


FIRING = """
CREATE FUNCTION fire() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'fired'; END $$;
CREATE EVENT TRIGGER "Fires" ON ddl_command_start EXECUTE FUNCTION fire();
"""


@pytest.mark.guide("G53", "holds")
def test_no_event_trigger_of_the_target_fires_on_the_copy(
    restorable: Platform, asked: trial.Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor on a server that cannot be told to leave them all, as those before 17."""
    monkeypatch.setattr(server, "_KNOWS_EVENT_TRIGGERS", 99)
    with copied(restorable) as copy:
        with copy.connect() as admin:
            admin.execute(FIRING)
        with copy.connect() as admin, pytest.raises(psycopg.Error, match="fired"):
            admin.execute("CREATE TABLE fired (n int)")
        findings, body = trial.tried(copy, asked, CONFIG.sql, TOPIC, as_of=datetime.now(UTC), analyse=False)
    assert {one.level for one in findings} == {Level.OK}
    assert [one["proven"] for one in body["trials"]] == [True, False]


@pytest.mark.guide("G53", "holds")
def test_a_trial_that_failed_takes_no_proof_away(restorable: Platform, asked: trial.Wanted) -> None:
    """What was proven holds for as long as it would; of other columns, or of what was not proven, it says why."""
    with copied(restorable) as copy:
        tried = partial(trial.tried, copy, clocks=CONFIG.sql, topic=TOPIC, as_of=datetime.now(UTC), analyse=False)
        _, body = tried(asked)
        known = lacking_keys.trials(body)
        huge = [{**one, "table_bytes": 2**60} for one in asked.keys]
        findings, after = tried(replace(asked, keys=huge, known=known))
        other = {name: {**one, "columns": ["another"]} for name, one in known.items()}
        _, anew = tried(replace(asked, keys=huge, known=other))
    assert [one.level for one in findings[1:]] == [Level.UNKNOWN] * 2
    proven, not_proven = after["trials"]
    assert proven == {**body["trials"][0], "tried_at": proven["tried_at"]}
    assert proven["tried_at"] > body["trials"][0]["tried_at"]
    assert "are free beside the copy" in not_proven["why"]
    assert all("are free beside the copy" in one["why"] and not one["proven"] for one in anew["trials"])


@pytest.mark.guide("G53", "holds")
def test_an_index_that_the_copys_server_refused_is_proven_no_more(restorable: Platform, missing: trial.Wanted) -> None:
    """What was proven is so no longer; for want of room the same proof stays."""
    now = datetime.now(UTC)
    (key,) = only(missing, "tells").keys
    proof = {name: key[name] for name in ("schema", "table", "constraint", "columns", "column_types")}
    proof |= {"system_identifier": missing.system_identifier, "data_as_of": now.isoformat(), "tried_at": "x"}
    proof |= {"proven": True, "why": ""}
    known = {lacking_keys.name(key): proof}
    with copied(restorable) as copy:
        tried = partial(trial.tried, copy, clocks=CONFIG.sql, topic=TOPIC, as_of=now, analyse=False)
        findings, after = tried(replace(missing, keys=[key], known=known))
        without_room, kept = tried(replace(missing, keys=[{**key, "table_bytes": 2**60}], known=known))
    (refused,), (same,) = after["trials"], kept["trials"]
    assert (refused["proven"], refused["why"]) == (False, "the server refused (SQLSTATE UK0FF)")
    assert findings[1].remedy == "No plan proposes it until a restoration has proven it."
    why = lacking_keys.unproven(refused, key, missing.system_identifier, CONFIG.indexes, now)
    assert why.endswith(" could not try it: the server refused (SQLSTATE UK0FF)")
    assert same == proof | {"tried_at": same["tried_at"]}
    assert without_room[1].remedy.startswith("What an earlier restoration has proven holds")


@pytest.mark.parametrize(
    ("error", "hosts_own"),
    [
        (TimeoutError(), True),
        (psycopg.OperationalError("the connection is lost"), True),
        (psycopg.errors.QueryCanceled(), True),
        (psycopg.errors.DiskFull(), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.ConnectionFailure(), True),
        (psycopg.errors.LockNotAvailable(), True),
        (psycopg.InterfaceError("the connection is closed"), True),
        (psycopg.errors.ProgramLimitExceeded(), False),
        (psycopg.errors.UndefinedTable(), False),
        (ValueError(), False),
    ],
)
def test_only_what_is_no_refusal_keeps_a_proof(error: Exception, hosts_own: bool) -> None:
    """No room, no time, a lost session."""
    assert refusals.hosts_own(error) is hosts_own


@pytest.mark.guide("G53", "holds")
def test_an_index_is_proven_by_what_it_does_on_the_copy(restorable: Platform, asked: trial.Wanted) -> None:
    """The one by which few rows are found; not the one whose every value is a third of the table."""
    looked = tried(restorable, replace(asked, unfit=1))
    found = trials(looked)
    assert {one.level for one in found.values()} == {Level.OK}
    assert found[TRIALS].detail == ("2 indexes tried, 1 proven; 1 not tried, as missing_indexes says")
    assert found[GOOD].detail.startswith("proven; built in ")
    assert "the key's own lookup: estimated cost " in found[GOOD].detail
    assert found[GOOD].detail.endswith(", by the index")
    assert found[BAD].detail.startswith("not proven; built in ")
    proof, other = looked.snapshot["trials"]
    assert (proof["constraint"], proof["columns"], proof["column_types"]) == ("of_customer", ["customer"], ["integer"])
    assert (proof["proven"], other["proven"]) == (True, False)
    assert proof["bytes"] >= 8192 * 10
    assert proof["seconds"] > 0
    assert proof["system_identifier"] == restorable.system.original.system_identifier
    data, tried_at = (datetime.fromisoformat(proof[name]) for name in ("data_as_of", "tried_at"))
    assert datetime.fromisoformat(restorable.known["moment"]) - timedelta(minutes=1) < data < tried_at


@pytest.mark.guide("G53", "fires")
def test_what_cannot_be_tried_is_unknown_and_says_nothing_of_the_backup(
    restorable: Platform, missing: trial.Wanted
) -> None:
    """No room, a table that the backup does not have yet, code that raises what it read; the others are tried."""
    wanted = only(missing, "tells", "of_customer")
    telling, key = wanted.keys
    large = key | {"constraint": "large", "table_bytes": 10**18}
    new = key | {"constraint": "new", "table": "made_since"}
    found = trials(tried(restorable, replace(wanted, keys=[large, new, telling, key])))
    said = {name: (one.level, one.detail) for name, one in found.items()}
    assert said[f"{TRIALS}:public.purchases:large"][0] is Level.UNKNOWN
    assert "are free beside the copy, expected " in said[f"{TRIALS}:public.purchases:large"][1]
    assert said[f"{TRIALS}:public.made_since:new"] == (
        Level.UNKNOWN,
        "not collected: there is no such table or column (SQLSTATE 42P01, 42703)",
    )
    assert said[f"{TRIALS}:public.telling:tells"] == (
        Level.UNKNOWN,
        "not collected: the server refused (SQLSTATE UK0FF)",  # no superuser's; and nothing of what it raised
    )
    assert said[GOOD][1].startswith("proven; ")
    assert said[TRIALS][1] == "4 indexes tried, 1 proven"


@pytest.mark.guide("G53", "holds")
def test_a_statement_that_config_names_is_planned_on_the_copy(restorable: Platform, missing: trial.Wanted) -> None:
    """It proves an index of which no lookup is counted; one that the copy refuses costs no trial."""
    (key,) = only(missing, "of_customer").keys
    statements = [
        NamedStatement(name="of_customer", sql="SELECT note FROM public.purchases WHERE customer = $1"),
        NamedStatement(name="gone", sql="SELECT note FROM public.made_since"),
    ]
    wanted = replace(missing, keys=[{**key, "deletes": 0, "updates": 0}], statements=statements)
    looked = tried(restorable, wanted)
    found = trials(looked)
    assert found[GOOD].detail.startswith("proven; built in ")
    assert "; statement of_customer: estimated cost " in found[GOOD].detail
    assert found[f"{TRIALS}:statement:of_customer"].level is Level.OK
    assert found[f"{TRIALS}:statement:gone"].level is Level.UNKNOWN
    assert [one["name"] for one in looked.snapshot["trials"][0]["statements"]] == ["of_customer"]


def test_a_copy_that_is_not_the_target_proves_nothing(restorable: Platform, asked: trial.Wanted) -> None:
    """Another cluster's, or one that holds something else: nothing is tried, and what was proven earlier stays."""
    other = replace(restorable.system.original, system_identifier="1")
    log, *more = restorable.known["logs"]
    differs = {**restorable.known, "logs": [{**log, "rows": log["rows"] + 1}, *more]}
    for looked in (tried(restorable, asked, target=other), tried(restorable, asked, differs)):
        (finding,) = trials(looked).values()
        assert (finding.level, "not known to be the target" in finding.detail) == (Level.UNKNOWN, True)
        assert looked.snapshot is None
        assert Level.CRITICAL in {one.level for one in looked.findings}


def test_trials_end_in_their_time_whatever_the_targets_code_does(
    restorable: Platform, missing: trial.Wanted, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A function that catches its cancellation and whose session is not ended either: the copy's server is stopped."""
    monkeypatch.setattr(trial_copy, "_PLAN_GRACE_SECONDS", 3600.0)
    clocks = CONFIG.sql.model_copy(update={"statement_timeout_seconds": 4.0})
    with copied(restorable) as copy:
        wanted = only(missing, "stays", "of_customer")
        found, snapshot = trial.tried(copy, wanted, clocks, TOPIC, as_of=datetime.now(UTC), analyse=False)
    assert [one.level for one in found] == [Level.OK, Level.UNKNOWN, Level.UNKNOWN]
    assert found[1].detail.startswith("not collected: the server")
    assert found[2].detail == "not collected: the time for all trials is over (restore.timeout_seconds)"
    assert [one["constraint"] for one in snapshot["trials"]] == ["stays"]  # the other one is still to be tried


def test_a_trial_leaves_nothing_on_the_copy(restorable: Platform, asked: trial.Wanted) -> None:
    """Each drops its index, a failed one too; a build takes of this host what it may and no more."""
    (key, other) = asked.keys
    broken = key | {"constraint": "broken", "operators": ["OPERATOR(pg_catalog.=)"], "types": ["no.such"]}
    greedy = {"maintenance_work_mem": str(2**30), "max_parallel_maintenance_workers": "64"}
    large = key | {"constraint": "large", "table_bytes": key["table_bytes"] + 1}
    wanted = replace(asked, keys=[broken, key, other, large], settings={**asked.settings, **greedy})
    enough = 4 * key["table_bytes"] + 256 * 1024**2
    seen: dict[str, Any] = {}
    with copied(restorable) as copy:
        clocks = CONFIG.sql.model_copy(update={"statement_timeout_seconds": 60.0})

        def free_bytes() -> int:
            with copy.connect() as session:
                query = "SELECT relname FROM pg_class WHERE relname ~ '^upkeep_trial'"
                seen.setdefault("left", []).extend(session.execute(query).fetchall())
            return enough

        copy.free_bytes = free_bytes  # type: ignore[method-assign]  # asked before each trial
        found, _ = trial.tried(copy, wanted, clocks, TOPIC, as_of=datetime.now(UTC), analyse=True)
        free_bytes()
    assert [one.level for one in found] == [Level.OK, Level.UNKNOWN, Level.OK, Level.OK, Level.UNKNOWN]
    assert "are free beside the copy, expected " in found[-1].detail
    assert seen == {"left": []}
    assert trial_copy.least(greedy) == {"maintenance_work_mem": "262144", "max_parallel_maintenance_workers": "2"}
    assert trial_copy.least({"maintenance_work_mem": "1024"}) == {"maintenance_work_mem": "1024"}


def test_the_planners_settings_are_the_targets(restorable: Platform, asked: trial.Wanted) -> None:
    """One that plans without indexes there does so on the copy: nothing is proven."""
    assert asked.settings["random_page_cost"] == "4"
    assert {"hash_mem_multiplier", "max_parallel_workers_per_gather", "maintenance_work_mem"} <= set(asked.settings)
    without = {**asked.settings, "enable_indexscan": "off", "enable_bitmapscan": "off", "enable_indexonlyscan": "off"}
    found = trials(tried(restorable, replace(asked, settings=without | {"no.such": "1"})))
    assert found[TRIALS].detail == "2 indexes tried, 0 proven"


def test_with_nothing_to_try_that_is_said(restorable: Platform) -> None:
    """OK, and a snapshot in which nothing is proven; where the target was not asked UNKNOWN, and none."""
    looked = tried(restorable, trial.Wanted())
    assert [(one.level, one.detail[:37]) for one in trials(looked).values()] == [
        (Level.OK, "no foreign key of a large table lacks")
    ]
    assert looked.snapshot["trials"] == []
    nobody: Any = None  # a copy that is not asked
    wanted, now = trial.Wanted(why="no right"), datetime.now(UTC)
    (finding,), snapshot = trial.tried(nobody, wanted, CONFIG.sql, TOPIC, as_of=now, analyse=False)
    assert (finding.level, snapshot, "no right" in finding.detail) == (Level.UNKNOWN, None, True)


def test_a_copy_that_does_not_answer_costs_no_finding(restorable: Platform, asked: trial.Wanted) -> None:
    """Whatever goes wrong is told of the trials alone."""
    with copied(restorable) as copy:
        copy.stop()
        (finding,), snapshot = trial.tried(copy, asked, CONFIG.sql, TOPIC, as_of=datetime.now(UTC), analyse=False)
    assert (finding.level, finding.detail, snapshot) == (
        Level.UNKNOWN,
        "not collected: the copy could not be asked: the server's session ended",
        None,
    )


# What the target is asked ---------------------------------------------------------------------------------------


def wanted(stage: Stage, body: Any = None) -> trial.Wanted:
    """What a stage asks for."""
    with database.session(to(stage.dsn), CONFIG.sql, read_only=True) as session:
        return trial.wanted(session, stage.config.indexes, body)


def test_each_key_comes_to_be_tried(lacking: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those first that were never tried, then the one whose trial is longest ago; earlier ones are kept."""
    monkeypatch.setattr(trial, "MOST_TRIED", 1)
    lacking.do(
        "ALTER TABLE many ADD two int CONSTRAINT to_two REFERENCES one",
        "ALTER TABLE many ADD three int CONSTRAINT to_three REFERENCES one",
    )
    now = datetime.now(UTC)
    body: Any = None
    order = []
    for week in range(6):
        found = wanted(lacking, body)
        (key,), said = trial.chosen(found, ())
        order.append(key["constraint"])
        assert said == "; 2 more wait for the next restoration"
        one = {name: key[name] for name in ("schema", "table", "constraint", "columns", "column_types")}
        known = {**found.known, lacking_keys.name(one): one | {"tried_at": (now + timedelta(weeks=week)).isoformat()}}
        body = {"trials": list(known.values())}
    assert order == 2 * ["to_one", "to_two", "to_three"]
    lacking.do("ALTER TABLE many DROP two")
    assert {one["constraint"] for one in wanted(lacking, body).known.values()} == {"to_one", "to_three"}


def test_what_is_known_of_the_others_goes_into_the_new_snapshot(restorable: Platform, asked: trial.Wanted) -> None:
    """A proof of last week counts beside this week's trials; that of the same key is replaced."""
    (key, other) = asked.keys
    earlier = {lacking_keys.name(one): one | {"tried_at": "x", "proven": True} for one in (key, other)}
    looked = tried(restorable, replace(asked, keys=[key], known=earlier))
    kept = {one["constraint"]: one["tried_at"] == "x" for one in looked.snapshot["trials"]}
    assert kept == {"of_customer": False, "in_state": True}


def test_a_target_that_refuses_costs_no_restoration(lacking: Stage) -> None:
    """What went wrong is kept, to be told where the indexes would be, until it may be asked."""
    sources: Any = SimpleNamespace(
        ledger=lacking.ledger.session,
        read=lambda: database.session(to(reader), CONFIG.sql, read_only=True),
        target=lacking.name,
        config=SimpleNamespace(maintenance=lacking.config),
    )
    with login(lacking.ledger.cluster, lacking.dsn, f"reads_{secrets.token_hex(4)}") as reader:
        refused = "the server refused (SQLSTATE 42501)"
        for rights, why in ((b"REVOKE SELECT ON %b FROM PUBLIC", refused), (b"GRANT SELECT ON %b TO PUBLIC", "")):
            lacking.do(rights % b"pg_catalog.pg_constraint")
            assert trial.asked(sources).why == why
    sources.read = lambda: 1 / 0
    assert trial.asked(sources).why == "ZeroDivisionError; see the task's log"
