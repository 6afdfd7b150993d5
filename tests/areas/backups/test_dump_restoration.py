"""The weekly restoration of a dump: real dumps, restored into a real empty server, and compared (G101)."""

from __future__ import annotations

import json
import logging
import os
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import ValidationError

from sandbox.postgres import Cluster
from tests.conftest import database as database_of
from tests.stages.config import config as config  # noqa: PLC0414  # a fixture
from tests.stages.dump_restoring import CLOCKS, Stage, staged
from tests.stages.dumping import MORE
from tests.stages.ledger import Ledger
from upkeep.areas.backups import dump_server, pace, sources
from upkeep.areas.backups.dump_files import Dump
from upkeep.areas.backups.dump_restoration import compared, newest, original, restore
from upkeep.areas.backups.dump_server import _sorted, kind
from upkeep.areas.backups.pace import Pace
from upkeep.areas.indexes import trial
from upkeep.areas.look import Sources
from upkeep.core.findings import Finding, Level, NotCollected
from upkeep.core.units import roughly
from upkeep.core.windows import Window
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings
from upkeep.wires import database

OK, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
GOOD = dict.fromkeys(("restoration", "rto", "contents", "objects", "data", "readable", "sequences"), OK)
#: Roles, an extension, and code that runs while rows are put in again.
SPECIAL = r"""
CREATE EXTENSION pg_trgm;
CREATE ROLE dumped_owner;
CREATE ROLE dumped_reader;
CREATE TABLE owned (id bigserial PRIMARY KEY, body text CHECK (length(body) > 0));
INSERT INTO owned (body) VALUES ('a'), ('b');
ALTER TABLE owned OWNER TO dumped_owner;
ALTER TABLE owned ENABLE ROW LEVEL SECURITY;
CREATE POLICY mine ON owned TO dumped_reader USING (true);
CREATE TABLE named (name text CHECK (name ~ '^\w+$'));
INSERT INTO named VALUES ('José');
CREATE INDEX owned_body ON owned USING gin (body public.gin_trgm_ops);
"""


@pytest.fixture(scope="module")
def stage(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """Owners, policies and an extension too."""
    with staged(cluster, tmp_path_factory.mktemp("whole"), "restorable_dump", MORE, SPECIAL) as found:
        try:
            yield found
        finally:
            with psycopg.connect(found.dumped.dsn, autocommit=True) as admin:
                admin.execute("DROP OWNED BY dumped_owner, dumped_reader; DROP ROLE dumped_owner, dumped_reader")


def levels(looked: LookResult) -> dict[str, Level]:
    """Aspect → level."""
    return {
        finding.key.removeprefix("restoration:dump:").removesuffix(":dump"): finding.level
        for finding in looked.findings
    }


def found(looked: LookResult, aspect: str = "") -> Finding:
    """The finding of one aspect; without one that of the restoration itself."""
    return next(one for one in looked.findings if one.key == f"restoration:dump{aspect and ':'}{aspect}")


@pytest.mark.guide("G101", "silent")
def test_a_good_dump_is_restored_whole(stage: Stage) -> None:
    """Owners, policies and extensions among it; its logs are those of the record, and what is in no dump is said."""
    looked = stage.restored()
    assert levels(looked) == GOOD
    assert found(looked, "contents").detail.startswith("the same rows, byte for byte, of 1 log")
    assert "no recovery to a later moment" in found(looked).detail
    assert "tables with" in found(looked, "readable").detail
    assert {sample.subject for sample in looked.samples} == {"dump: an empty server", "dump: pg_restore"}


@pytest.mark.guide("G101", "fires", "silent")
def test_a_dump_with_a_bent_byte_is_critical(stage: Stage) -> None:
    """pg_restore stumbles over it; whole again it restores, which the test above saw."""
    file = max((stage.dumped.folder / "good").glob("*.dat.gz"), key=lambda one: one.stat().st_size)
    whole = file.read_bytes()
    bent = bytearray(whole)
    bent[len(bent) // 2] ^= 1
    file.write_bytes(bent)
    looked = stage.restored()
    file.write_bytes(whole)
    assert found(looked).level is CRITICAL
    assert "of pg_restore: could not " in found(looked).detail


@pytest.mark.guide("G101", "fires")
def test_what_the_host_lacks_says_nothing_of_the_dump(stage: Stage) -> None:
    """An extension that is not installed here: UNKNOWN, with its name; what is missing says nothing."""
    toc = stage.dumped.folder / "good" / "toc.dat"
    whole = toc.read_bytes()
    toc.write_bytes(whole.replace(b"pg_trgm", b"pg_trgx"))
    looked = stage.restored()
    toc.write_bytes(whole)
    assert found(looked).level is UNKNOWN
    assert 'extension "pg_trgx" is not available' in found(looked).detail
    assert {"objects", "contents", "data"}.isdisjoint(levels(looked))
    assert levels(stage.restored()) == GOOD


@pytest.mark.guide("G101", "fires")
def test_what_the_host_lacks_hides_no_bent_byte(stage: Stage) -> None:
    """An archive that cannot be read is critical, whatever else is not installed here."""
    toc = stage.dumped.folder / "good" / "toc.dat"
    file = max((stage.dumped.folder / "good").glob("*.dat.gz"), key=lambda one: one.stat().st_size)
    whole, kept = file.read_bytes(), toc.read_bytes()
    toc.write_bytes(kept.replace(b"pg_trgm", b"pg_trgx"))
    bent = bytearray(whole)
    bent[len(bent) // 2] ^= 1
    file.write_bytes(bent)
    looked = stage.restored()
    file.write_bytes(whole)
    toc.write_bytes(kept)
    assert found(looked).level is CRITICAL
    assert "of pg_restore: could not " in found(looked).detail


@pytest.mark.guide("G101", "fires", "silent")
def test_a_dump_of_another_major_version_is_named(stage: Stage) -> None:
    """An earlier one restores, with a warning; a later one is not tried; what a later pg_dump writes may be unknown."""
    toc = stage.dumped.folder / "good" / "toc.dat"
    whole, target = toc.read_bytes(), stage.target()
    server, dumped_by = (f"{len(one):c}\0\0\0{one}".encode() for one in _versions(stage.newest()))
    assert whole.count(server) == 1 + (server == dumped_by)

    def later(text: bytes, major: bytes) -> bytes:
        return text[:4] + major + text[6:]

    at = whole.index(server)
    behind = whole.index(dumped_by, at + 1)
    try:
        toc.write_bytes(whole[:at] + later(server, b"14") + whole[at + len(server) :])
        old = stage.restored()
        toc.write_bytes(whole[:at] + later(server, b"99") + whole[at + len(server) :])
        new = stage.restored()
        tool = whole[:behind] + later(dumped_by, b"99") + whole[behind + len(dumped_by) :]
        toc.write_bytes(tool)
        good = stage.restored()
        toc.write_bytes(tool.replace(b"CREATE TABLE public.payloads", b"CREATE TABLX public.payloads"))
        failed = stage.restored()
        toc.write_bytes(tool.replace(b"payloads_pkey PRIMARY KEY (id)", b"payloads_pkey PRIMARY KEY (ix)"))
        wrong = stage.restored()
        toc.write_bytes(whole[:at] + later(server, b"14") + whole[at + len(server) :].replace(b"pg_trgm", b"pg_trgx"))
        both = stage.restored()
    finally:
        toc.write_bytes(whole)
    assert levels(old) == GOOD | {"restoration": WARNING}
    assert "of a server of PostgreSQL 14." in found(old).detail
    assert levels(new) == {"restoration": UNKNOWN}
    assert f"the target is of {target.shape.major}, expected none of a later one" in found(new).detail
    assert levels(good) == GOOD
    assert found(failed).level is UNKNOWN
    assert "by pg_dump 99." in found(failed).detail
    assert "Make dumps with pg_dump of the target's major" in found(failed).remedy
    assert found(wrong).level is CRITICAL
    assert 'column "ix"' in found(wrong).detail
    assert found(new).remedy.startswith("Make another dump now: ")
    assert found(both).level is UNKNOWN
    assert "of a server of PostgreSQL 14." in found(both).detail
    assert {"objects", "contents", "data"}.isdisjoint(levels(failed))


@pytest.mark.guide("G101", "fires")
def test_an_archive_of_a_later_format_says_nothing_of_the_dump(stage: Stage) -> None:
    """As pg_restore reads one that a later pg_dump wrote: UNKNOWN, with what to do."""
    toc, dump, target = stage.dumped.folder / "good" / "toc.dat", stage.newest(), stage.target()
    whole = toc.read_bytes()
    assert whole[:6] == b"PGDMP\1"
    try:
        toc.write_bytes(whole[:6] + bytes([99]) + whole[7:])
        looked = restore(dump, stage.config(), target, CLOCKS, [])
    finally:
        toc.write_bytes(whole)
    assert found(looked).level is UNKNOWN
    assert "unsupported version (1.99) in file header" in found(looked).detail
    assert "Make dumps with pg_dump of the target's major" in found(looked).remedy
    assert {"objects", "contents", "data"}.isdisjoint(levels(looked))


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ('could not execute query: ERROR:  syntax error at or near "TABLX"', "later"),
        ('could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"', "later"),
        ('could not execute query: ERROR:  unrecognized parameter "new_option"', "later"),
        ('could not execute query: ERROR:  relation "public.payloads" does not exist', "later"),
        ('could not execute query: ERROR:  duplicate key value violates unique constraint "x"', "others"),
        ('could not execute query: ERROR:  could not create unique index "x"', "others"),
        ('COPY failed for table "t": ERROR:  syntax error at or near "a row"', "others"),
        ('COPY failed for table "t": ERROR:  invalid input syntax for type integer: "x"', "others"),
        ("could not uncompress data: (null)", "damaged"),
    ],
)
def test_of_a_later_pg_dump_only_words_are_unknown(error: str, expected: str) -> None:
    """What else fails is as bad as ever; so are these words where pg_dump is not a later one."""
    assert kind(error, later=True, after_later=True) == expected
    assert kind(error) == {"later": "others"}.get(expected, expected)
    missing = 'could not execute query: ERROR:  relation "public.payloads" does not exist'
    assert kind(missing, later=True) == "others"


@pytest.mark.parametrize(
    ("first", "others"), [('syntax error at or near "TABLX"', 0), ('unrecognized configuration parameter "new"', 1)]
)
def test_a_setting_that_is_not_known_keeps_nothing_from_being_made(first: str, others: int) -> None:
    """What is not there after it is missing from the dump, which a later pg_dump always begins with such settings."""
    said = [first, 'relation "public.payloads" does not exist']
    output = "".join(f"pg_restore: error: could not execute query: ERROR:  {one}\n" for one in said)
    errors = _sorted(BytesIO(output.encode()), later=True)
    assert (len(errors.others), len(errors.later)) == (others, 2 - others)


def _versions(dump: Dump) -> tuple[str, str]:
    assert dump.header is not None
    return dump.header.server, dump.header.dumped_by


def test_pg_restore_says_in_the_log_how_far_it_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """How large the copy's database is, of what the target's is."""
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(dump_server, "Pace", partial(Pace, every=0.0))
    stage.restored()
    told = [record.getMessage() for record in caplog.records if record.name == pace.__name__]
    said = [one for one in told if re.fullmatch(r"pg_restore: [\d.]+ .B of [\d.]+ .B(, .*)?", one)]
    assert said == told != []
    assert f" of {roughly(stage.target().shape.size)}" in said[0]


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        ("could not uncompress data: (null)", "damaged"),
        ("could not read from input file: end of file", "damaged"),
        ('could not open input file "x": Permission denied', "hosts_own"),
        ('could not execute query: ERROR:  extension "postgis" is not available', "hosts_own"),
        ("could not execute query: ERROR:  pg_cron can only be loaded via shared_preload_libraries", "hosts_own"),
        ('could not execute query: ERROR:  extension "timescaledb" must be preloaded', "hosts_own"),
        ("could not execute query: ERROR:  no security label providers have been loaded", "hosts_own"),
        ('could not execute query: ERROR:  could not access file "$libdir/x": No such file', "hosts_own"),
        ('could not execute query: ERROR:  could not connect to server "far"', "hosts_own"),
        ('could not execute query: ERROR:  role "gone" does not exist', "roles"),
        ('COPY failed for table "t": ERROR:  invalid input: "extension "x" is not available"', "others"),
        ('COPY failed for table "t": ERROR:  new row violates check: "Permission denied"', "others"),
    ],
)
def test_each_error_is_told_by_whose_fault_it_is(error: str, expected: str) -> None:
    """By whole phrases where pg_restore or the server begins to speak, and not by a row's words."""
    assert kind(error) == expected


def test_a_locale_that_this_host_lacks_says_nothing_of_the_dump(stage: Stage) -> None:
    """UNKNOWN, with its name: text would sort otherwise, and rows would be refused."""
    target = stage.target()
    looked = stage.restored(replace(target, shape=replace(target.shape, locale={"LC_COLLATE": "xx_XX.utf8"})))
    assert levels(looked) == {"restoration": UNKNOWN}
    assert "the target's locale (xx_XX.utf8)" in found(looked).detail


@pytest.mark.guide("G101", "fires", "silent")
def test_tables_whose_rows_the_dump_leaves_out_are_named(cluster: Cluster, tmp_path: Path) -> None:
    """An empty one has data of no rows, and is not among them."""
    with staged(cluster, tmp_path, "without_rows", MORE, words=("--exclude-table-data=public.payloads",)) as less:
        looked = less.restored()
    assert levels(looked) == GOOD | {"data": WARNING}
    assert found(looked, "data").detail == "no data of 1 of 3 tables: public.payloads"


@pytest.mark.guide("G101", "fires")
def test_a_role_that_is_no_more_is_a_warning(stage: Stage) -> None:
    """The target has dropped it since: rows are there, rights are not."""
    target = stage.target()
    roles = tuple(one for one in target.shape.roles if one[0] != "dumped_reader")
    looked = stage.restored(replace(target, shape=replace(target.shape, roles=roles)), max_rto_minutes=0.0001)
    assert levels(looked) == GOOD | {"restoration": WARNING, "rto": WARNING}
    assert 'role "dumped_reader" does not exist' in found(looked).detail


@pytest.mark.parametrize(
    ("scratch", "said"),
    [
        ({"programs": Path("/nowhere")}, "found no program /nowhere/postgres"),
        ({"programs": ROOT / "tests/areas/backups/other_major"}, "expected one of major 17, the target's"),
        ({"scratch": Path("/nowhere")}, "found no folder /nowhere"),
    ],
)
def test_what_cannot_be_set_up_says_nothing_of_the_dump(stage: Stage, scratch: dict[str, Any], said: str) -> None:
    """UNKNOWN, with what was found and what was expected."""
    looked = stage.restored(**scratch)
    assert levels(looked) == {"restoration": UNKNOWN}
    assert said in found(looked).detail


def test_too_little_room_is_said_before_anything_is_written(stage: Stage) -> None:
    """As much as the target's database has now, and a fifth more."""
    target = stage.target()
    looked = stage.restored(replace(target, shape=replace(target.shape, size=10**15)))
    assert levels(looked) == {"restoration": UNKNOWN}
    assert "free in" in found(looked).detail
    assert "for a copy" in found(looked).detail


@pytest.mark.guide("G101", "fires")
def test_a_log_that_the_dump_leaves_out_is_critical_and_hides_nothing(cluster: Cluster, tmp_path: Path) -> None:
    """It cannot be compared; tables, sequences and objects are looked at all the same."""
    with staged(cluster, tmp_path, "without_a_log", MORE, words=("--exclude-table=public.error_logs",)) as less:
        looked = less.restored()
    assert levels(looked) == GOOD | {"contents": CRITICAL, "objects": WARNING}
    assert "a log cannot be read" in found(looked, "contents").detail


#: What an application's own role may define: it runs where rows are put in again, and puts links in files' places.
CODE = """
CREATE FUNCTION checked(body text) RETURNS bool LANGUAGE plpgsql AS $$
BEGIN
    IF pg_catalog.current_database() <> 'restored' THEN RETURN true; END IF;
    EXECUTE $p$COPY (SELECT 1) TO PROGRAM 'for f in pg_restore server; do ln -sf {secret} ../$f.log; done'$p$;
    RAISE EXCEPTION 'the code of the dump has run';
END $$;
CREATE TABLE laden (body text CHECK (public.checked(body)));
INSERT INTO laden VALUES ('a');
"""


def test_code_of_a_dump_brings_no_other_file_into_the_report(cluster: Cluster, tmp_path: Path) -> None:
    """What pg_restore said is read where it was written, not by a name in a folder that the copy's user owns."""
    secret = tmp_path / "secret"
    secret.write_text("pg_restore: error: a word that nobody is told")
    with staged(cluster, tmp_path, "laden_dump", CODE.replace("{secret}", str(secret))) as laden:
        looked = laden.restored()
    assert found(looked).level is CRITICAL
    assert "the code of the dump has run" in found(looked).detail
    assert "nobody is told" not in str(looked)


MANY = """
CREATE ROLE dumped_many;
DO $$ BEGIN
    FOR n IN 1..500 LOOP
        EXECUTE format('CREATE TABLE many_%s (id int); ALTER TABLE many_%s OWNER TO dumped_many', n, n);
    END LOOP;
END $$;
"""


@pytest.mark.guide("G101", "fires")
def test_many_errors_hide_no_later_one(cluster: Cluster, tmp_path: Path) -> None:
    """Roles that are no more come first and fill pages; rows that failed come last."""
    with staged(cluster, tmp_path, "many_errors", CODE.replace("{secret}", "nothing"), MANY) as many:
        try:
            target = many.target()
            roles = tuple(one for one in target.shape.roles if one[0] != "dumped_many")
            looked = many.restored(replace(target, shape=replace(target.shape, roles=roles)))
        finally:
            with psycopg.connect(many.dumped.dsn, autocommit=True) as admin:
                admin.execute("REASSIGN OWNED BY dumped_many TO CURRENT_USER; DROP ROLE dumped_many")
    assert found(looked).level is CRITICAL
    assert "the code of the dump has run" in found(looked).detail
    assert "501 errors of pg_restore" in found(looked).detail


def test_without_a_user_of_its_own_no_dump_is_restored(stage: Stage) -> None:
    """The setting is named."""
    with pytest.raises(ValidationError, match=r"restore without restore\.run_as, expected words"):
        stage.config(run_as=())


def test_without_a_dump_it_is_not_collected(stage: Stage, tmp_path: Path) -> None:
    """Each with its reason."""
    late = datetime.now(UTC) + timedelta(minutes=2)
    with pytest.raises(NotCollected, match="found no finished dump with a header, of database shop"):
        newest(stage.config(), late, "shop")
    assert newest(stage.config(), late, "restorable_dump") == stage.newest()
    for folder, said in ((tmp_path, "found no finished dump"), (tmp_path / "none", "cannot be read: No such file")):
        config = stage.config().model_copy(update={"folder": folder})
        with pytest.raises(NotCollected, match=said):
            newest(config, datetime.now(UTC), "shop")


def test_a_dump_that_is_not_the_target_proves_nothing_of_an_index(stage: Stage) -> None:
    """Rows of a log are lost, its time is not known, or it is of another major: what was proven earlier stays."""
    target = stage.target()
    assert target.record is not None
    more = [{**one, "rows": one["rows"] + 1} for one in target.now]
    logs = [{**log, **one} for log, one in zip(target.record["logs"], more, strict=True)]
    lost = replace(target, record={**target.record, "logs": logs}, now=more)
    dump = stage.newest()
    assert dump.header is not None
    early = replace(dump, changed_at=dump.begun_at - timedelta(days=1))
    earlier = replace(dump, header=replace(dump.header, server="14.9"))
    for one, other in ((dump, lost), (early, target), (earlier, target)):
        looked = restore(one, stage.config(), other, CLOCKS, [], trial.Wanted())
        trials = next(finding for finding in looked.findings if finding.key == "index_trials")
        assert (trials.level, looked.snapshot) == (UNKNOWN, None)


@pytest.mark.guide("G101", "silent")
@pytest.mark.parametrize("base", [False, True])
def test_the_weekly_step_finds_dump_record_and_target(
    stage: Stage, config: Path, book: Ledger, window: Window, tmp_path: Path, base: bool
) -> None:
    """By config, from the ledger, over the target's read Connection; the end of the task is told how to clean up.

    Indexes are tried on its copy too where a base backup that is configured cannot be restored.
    """
    window = replace(window, target="primary")
    good, given = stage.dumped.folder / "good", stage.config().model_dump(mode="json", exclude_none=True)
    rested = datetime.now(UTC).timestamp() - 120
    for file in good.iterdir():
        os.utime(file, (rested, rested))
    file = config / "maintenance.yaml"
    sections = f"    dumps: {json.dumps(given)}\n"
    if base:
        section = {"base": str(tmp_path), "wal": str(tmp_path), "restore": given["restore"]}
        section["restore"] = {name: given["restore"][name] for name in ("scratch", "programs", "run_as")}
        sections += f"    backups: {json.dumps(section)}\n"
    file.write_text(file.read_text().replace("    # backups:", f"{sections}    # backups:"))
    with book.session() as session:
        open_window(session, window)
        looked = LookResult((), snapshot=dict(stage.record))
        add_step(session, window, StepRecord("backups.contents", "ran", "", "", window.due, looked=looked))
    read = partial(database.session, partial(psycopg.connect, stage.dumped.dsn), CLOCKS, read_only=True)
    unused: Any = None
    ways: list[Any] = [book.session, unused, read, unused, unused, unused, unused, unused]
    ending: list[Callable[[], None]] = []
    looked = sources.restore(
        Sources(window.target, window, "backups.restoration", settings(config), *ways, frozenset(), ending, 0)
    )
    without = {"restoration:not_collected:base backup": UNKNOWN} if base else {}
    assert levels(looked) == GOOD | {"index_trials": OK} | without
    assert looked.snapshot["trials"] == []
    assert len(ending) == 1


# What is compared, without restoring: a copy is any database that holds what a dump held -----------------------------


@pytest.fixture
def judged(stage: Stage, cluster: Cluster) -> Iterator[Callable[[str, str], Finding]]:
    """Changes the target and a copy of it by statements, and compares them with the record from before."""
    names = ("judged_target", "judged_copy")
    with database_of(cluster, names[0], "restorable_dump") as target, database_of(cluster, names[1], names[0]) as copy:

        def compare(in_target: str, in_copy: str) -> Finding:
            for dsn, statements in ((target, in_target), (copy, in_copy)):
                with psycopg.connect(dsn, autocommit=True) as admin:
                    admin.execute(statements.encode())
            record = dict(stage.record) | {"database": names[0]}
            with database.session(partial(psycopg.connect, target), CLOCKS, read_only=True) as session:
                there = original(session, stage.newest(), [record])
            with database.session(partial(psycopg.connect, copy), CLOCKS, read_only=True) as session:
                return compared(session, there)

        yield compare


NOTHING = "SELECT"
LOST = "DELETE FROM error_logs WHERE id BETWEEN 10 AND 19"
CHANGED = "UPDATE error_logs SET message = 'x' WHERE id BETWEEN 10 AND 19"
PARTLY = "UPDATE error_logs SET message = 'x' WHERE id = 10"


@pytest.mark.guide("G101", "fires", "silent")
@pytest.mark.parametrize(
    ("in_target", "in_copy", "level", "said"),
    [
        (NOTHING, NOTHING, OK, "the same rows, byte for byte"),
        (NOTHING, LOST, CRITICAL, "the target has not changed them since"),
        (NOTHING, CHANGED, CRITICAL, "the target has not changed them since"),
        (NOTHING, "DROP TABLE error_logs", CRITICAL, "a log cannot be read"),
        (LOST, NOTHING, OK, "the same rows, byte for byte"),
        (LOST, LOST, OK, "the same rows, byte for byte"),
        (CHANGED, PARTLY, UNKNOWN, "not comparable"),
        (CHANGED, LOST, WARNING, "not comparable"),
    ],
)
def test_what_is_not_the_same_is_told_by_what_the_target_did(
    judged: Callable[[str, str], Finding], in_target: str, in_copy: str, level: Level, said: str
) -> None:
    """As before or as now is equal; neither, where the target did not change, is lost; else it is not comparable."""
    finding = judged(in_target, in_copy)
    assert (finding.level, said in finding.detail) == (level, True), finding


def test_a_dump_of_another_time_zone_is_not_called_a_loser_of_rows(stage: Stage) -> None:
    """Written before it was begun: no record is known to be from before it."""
    dump = stage.newest()
    early = replace(dump, changed_at=dump.begun_at - timedelta(hours=1))
    with database.session(partial(psycopg.connect, stage.dumped.dsn), CLOCKS, read_only=True) as session:
        finding = compared(session, original(session, early, [stage.record]))
    assert (finding.level, "its time is of another zone" in finding.detail) == (UNKNOWN, True)
    assert "dumps.time_zone" in finding.remedy


@pytest.mark.guide("G101", "silent")
def test_what_no_dump_holds_is_not_missed(stage: Stage) -> None:
    """An index that is not valid, and what an extension made."""
    with psycopg.connect(stage.dumped.dsn, autocommit=True) as admin:
        admin.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'owned_body'::regclass")
        try:
            names = {name for _, name in stage.target().objects}
        finally:
            admin.execute("UPDATE pg_index SET indisvalid = true WHERE indexrelid = 'owned_body'::regclass")
    assert "public.owned" in names
    assert "public.owned_body" not in names
    assert not any("similarity" in name for name in names)
    assert "public.owned_body" in {name for _, name in stage.target().objects}


def test_without_a_record_before_the_dump_nothing_is_called_equal(stage: Stage) -> None:
    """None at all, one of another cluster or database, one from after the dump."""
    later = (stage.newest().begun_at + timedelta(seconds=1)).isoformat()
    connect = partial(psycopg.connect, stage.dumped.dsn)
    for other in ({"system_identifier": "7"}, {"database": "shop"}, {"moment": later}, {"logs": []}):
        with database.session(connect, CLOCKS, read_only=True) as session:
            target = original(session, stage.newest(), [{**stage.record, **other}])
            finding = compared(session, target)
        assert (finding.level, "not comparable" in finding.detail) == (UNKNOWN, True), other
