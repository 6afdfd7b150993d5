"""The weekly restoration on real backups: a copy is made, compared and gone; each fault is told by its name (G101)."""

from __future__ import annotations

import os
import pickle
import secrets
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from sandbox import backups as sandbox
from sandbox.ports import free_port
from sandbox.postgres import Cluster, identity, programs
from tests.stages.ledger import Ledger
from tests.stages.restoring import Platform
from upkeep.areas.backups.copies import copy_of
from upkeep.areas.backups.newest import Original, original, recorded
from upkeep.areas.backups.restoration import restore
from upkeep.areas.backups.server import servers
from upkeep.core.findings import Finding, Level, NotCollected
from upkeep.core.windows import Window
from upkeep.ledger.write import LookResult, StepRecord, add_step, open_window
from upkeep.settings.base import ROOT
from upkeep.wires import database

OK, CRITICAL, UNKNOWN = Level.OK, Level.CRITICAL, Level.UNKNOWN


def restored(
    restorable: Platform, known: dict[str, Any] | None = None, target: Original | None = None, **config: Any
) -> LookResult:
    """Restore its newest backup, and see that nothing is left."""
    record, here = restorable.known if known is None else known, target or restorable.system.original
    looked = restore(restorable.newest(**config), here, record, restorable.config.maintenance.sql)
    assert restorable.left() == []
    return looked


def levels(looked: LookResult) -> dict[str, Level]:
    return {finding.key.removeprefix("restoration:"): finding.level for finding in looked.findings}


def found(looked: LookResult, key: str) -> Finding:
    return next(finding for finding in looked.findings if finding.key.removeprefix("restoration:") == key)


GOOD = dict.fromkeys(("restoration", "contents", "reached", "readable", "indexes", "sequences", "collations"), OK)


@pytest.mark.guide("G101", "silent")
def test_a_good_backup_restores_and_holds_what_was_recorded(restorable: Platform) -> None:
    """Exactly what the logs held at the recorded moment, although rows were changed before and after it."""
    looked = restored(restorable)
    assert levels(looked) == GOOD
    assert found(looked, "contents").detail == "the same rows, byte for byte"
    assert "337 rows of 1 log as they were at" in found(looked, "contents").expected
    assert "read from the first page to the last" in found(looked, "readable").detail
    assert {sample.subject for sample in looked.samples} == {
        "copy",
        "recovery to what was recorded",
        "recovery to the end of the archive",
    }


def test_what_the_environment_says_of_connections_is_not_for_a_copy(
    restorable: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An Airflow whose environment demands a password's exchange, or sets options, restores all the same."""
    monkeypatch.setenv("PGREQUIREAUTH", "scram-sha-256")
    monkeypatch.setenv("PGOPTIONS", "-c search_path=nowhere")
    assert levels(restored(restorable)) == GOOD


def test_a_copy_that_refuses_sessions_says_nothing_of_the_backup(restorable: Platform) -> None:
    """It is ready, and there is no such user in it: config is at fault, or the host."""
    looked = restored(restorable, superuser="nobody_of_that_name")
    assert levels(looked) == {"restoration": UNKNOWN}
    assert 'role "nobody_of_that_name" does not exist' in found(looked, "restoration").detail


def test_a_session_on_another_server_is_none_on_the_copy(
    restorable: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The environment leads elsewhere by a service file: nothing is asked there, and nothing is said of the backup."""
    other = Cluster(tmp_path / "data", free_port(), secrets.token_hex(8))
    other.init()
    server = other.start()
    try:
        service = tmp_path / "services"
        service.write_text(f"[other]\nhostaddr=127.0.0.1\nport={other.port}\npassword={other.password}\n")
        monkeypatch.setenv("PGSERVICEFILE", str(service))
        monkeypatch.setenv("PGSERVICE", "other")
        monkeypatch.setenv("PGPASSWORD", other.password)
        monkeypatch.setenv("PGHOSTADDR", "127.0.0.1")
        monkeypatch.setenv("PGPORT", str(other.port))
        looked = restored(restorable)
        assert levels(looked) in (GOOD, {"restoration": UNKNOWN})
        with psycopg.connect(other.dsn("postgres")) as elsewhere:
            assert elsewhere.execute("SELECT 1 FROM pg_extension WHERE extname = 'amcheck'").fetchall() == []
    finally:
        other.stop(server)
        shutil.rmtree(other.directory())


@pytest.mark.guide("G101", "fires")
@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rows": 338}, "public.error_logs: 337 rows, expected 338"),
        ({"high": "1"}, "public.error_logs: 337 rows, of which some hold something else"),
        ({"table": "audit_logs"}, 'relation "public.audit_logs" does not exist'),
    ],
)
def test_a_copy_that_holds_something_else_is_critical(restorable: Platform, changed: dict[str, Any], said: str) -> None:
    """A row too few, a row that was changed, a log that is not there."""
    record = restorable.known | {"logs": [restorable.known["logs"][0] | changed]}
    looked = restored(restorable, record)
    assert levels(looked) == GOOD | {"contents": CRITICAL}
    assert said in found(looked, "contents").detail


@pytest.mark.guide("G101", "fires")
def test_without_a_record_nothing_is_called_equal(restorable: Platform) -> None:
    """Restored and read, but not comparable: UNKNOWN."""
    looked = restored(restorable, {})
    assert levels(looked) == GOOD | {"contents": UNKNOWN}
    assert found(looked, "contents").detail.startswith("not comparable: ")


@pytest.mark.guide("G101", "fires", "silent")
@pytest.mark.parametrize(
    ("fault", "key", "said"),
    [
        ("missing-file", "restoration", "global/pg_control"),
        ("truncated-segment", "restoration", "could not be restored: PostgreSQL ended: "),
    ],
)
def test_a_backup_that_does_not_restore_is_critical_until_it_is_healed(
    restorable: Platform, fault: str, key: str, said: str
) -> None:
    """What PostgreSQL said is in the finding. A segment that was cut just now might still be coming: it was before."""
    sandbox.plant(restorable.store, fault)
    for file in restorable.store.wal.iterdir():
        os.utime(file, (file.stat().st_atime, file.stat().st_mtime - 120))
    looked = restored(restorable)
    assert found(looked, key).level is CRITICAL
    assert said in found(looked, key).detail
    sandbox.heal(restorable.store, fault)
    assert levels(restored(restorable)) == GOOD


@pytest.mark.guide("G101", "fires")
def test_a_bent_page_is_found_by_reading_it(restorable: Platform) -> None:
    """The server starts and answers; only reading every page finds the one whose checksum is wrong."""
    file = restorable.store.newest() / restorable.table
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    looked = restored(restorable)
    file.write_bytes(whole)
    assert levels(looked)["readable"] is CRITICAL
    assert "pg_catalog.pg_description: invalid page in block 0" in found(looked, "readable").detail


@pytest.mark.guide("G101", "fires")
def test_an_index_that_amcheck_itself_needs_is_found_bent(restorable: Platform) -> None:
    """The extension cannot be made because of it: that is damage, and no program that is missing."""
    file = restorable.store.newest() / restorable.files["pg_catalog.pg_description_o_c_o_index"]
    whole = file.read_bytes()
    file.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    looked = restored(restorable)
    file.write_bytes(whole)
    assert levels(looked)["indexes"] is CRITICAL
    assert "amcheck cannot be used, for the copy is damaged: invalid page" in found(looked, "indexes").detail


@pytest.mark.guide("G101", "silent")
def test_an_amcheck_that_does_not_fit_says_nothing_of_the_backup(restorable: Platform) -> None:
    """The host's library is another one: PostgreSQL calls that an internal error, as it does some damage."""
    other = restorable.scratch.with_name("other")
    shutil.copytree(programs().parent, other)
    (library,) = other.rglob("amcheck.so")
    shutil.copy(next(other.rglob("libpq.so*")), library)
    looked = restored(restorable, programs=other / "bin")
    shutil.rmtree(other)
    assert levels(looked) == GOOD | {"indexes": UNKNOWN}
    assert "magic block" in found(looked, "indexes").detail


@pytest.mark.guide("G101", "fires")
def test_a_gap_behind_the_record_ends_recovery_too_early(restorable: Platform) -> None:
    """PostgreSQL calls that the end of the archive and opens the copy; the archive goes on behind the gap."""
    segments = sorted(file for file in restorable.store.wal.iterdir() if len(file.name) == 24)
    aside = segments[-2].rename(segments[-2].with_name("aside"))
    looked = restored(restorable)
    aside.rename(segments[-2])
    assert levels(looked) == GOOD | {"reached": CRITICAL}
    assert f"before the newest archived segment {segments[-1].name}" in found(looked, "reached").detail
    assert levels(restored(restorable)) == GOOD


@pytest.mark.guide("G101", "fires", "silent")
def test_a_segment_that_is_being_archived_now_ends_recovery_and_fails_nothing(restorable: Platform) -> None:
    """A plain cp has written its first pages: not there yet. A minute later it is not whole, and that is critical."""
    last = max(file for file in restorable.store.wal.iterdir() if len(file.name) == 24)
    coming = last.with_name(f"{last.name[:16]}{int(last.name[16:], 16) + 1:08X}")
    try:
        coming.write_bytes(last.read_bytes()[:100_000])
        looked = restored(restorable)
        assert levels(looked) == GOOD
        assert f"to the newest archived segment {last.name}" in found(looked, "reached").expected
        long_ago = coming.stat().st_mtime - 120
        os.utime(coming, (long_ago, long_ago))
        failed = found(restored(restorable), "restoration")
        assert (failed.level, "has wrong size" in failed.detail) == (CRITICAL, True)
    finally:
        coming.unlink()
    assert levels(restored(restorable)) == GOOD


@pytest.mark.guide("G101", "fires")
def test_a_backup_of_another_cluster_is_critical(restorable: Platform) -> None:
    """The folder in config holds somebody else's backups."""
    other = replace(restorable.system.original, system_identifier="7000000000000000001")
    looked = restored(restorable, target=other)
    assert levels(looked) == GOOD | {"reached": CRITICAL}
    assert "the target is 7000000000000000001" in found(looked, "reached").detail


@pytest.mark.guide("G101", "fires", "silent")
def test_old_work_is_told_by_its_age(restorable: Platform) -> None:
    """More than max_rpo_minutes from the last restored commit to the end of recovery is a warning."""
    assert levels(restored(restorable, max_rpo_minutes=0.001)) == GOOD | {"reached": Level.WARNING}
    assert levels(restored(restorable)) == GOOD


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"programs": Path("/nowhere")}, "found no program /nowhere/postgres"),
        ({"programs": ROOT / "tests/areas/backups/other_major"}, "expected one of major 17, the backup's"),
        ({"scratch": Path("/nowhere")}, "found no folder /nowhere"),
        ({"run_as": ("no-such-program",)}, "could not be run"),
    ],
)
def test_what_cannot_be_set_up_says_nothing_of_the_backup(
    restorable: Platform, config: dict[str, Any], said: str
) -> None:
    """UNKNOWN, with what was found and what was expected."""
    looked = restored(restorable, **config)
    assert levels(looked) == {"restoration": UNKNOWN}
    assert said in found(looked, "restoration").detail


def test_too_little_room_is_said_before_anything_is_written(restorable: Platform) -> None:
    """A manifest that promises more than the disk holds."""
    file = restorable.store.newest() / "backup_manifest"
    whole = file.read_text()
    file.write_text(whole.replace('"Size": 3,', '"Size": 900000000000000,', 1))
    looked = restored(restorable)
    file.write_text(whole)
    assert levels(looked) == {"restoration": UNKNOWN}
    assert "expected at least 982.3 TB for a copy" in found(looked, "restoration").detail


@pytest.mark.parametrize("name", ["pg_tblspc/16999", "pg_wal_elsewhere", "tablespace_map"])
def test_a_backup_that_leads_out_of_its_folder_is_not_copied(restorable: Platform, tmp_path: Path, name: str) -> None:
    """A tablespace, WAL behind a link, or a map by which a server makes such links: a copy could write there."""
    added = restorable.store.newest() / name
    before = added.read_bytes() if added.exists() else None
    if name == "tablespace_map":
        added.write_text(f"16999 {tmp_path}\n")
    else:
        added.symlink_to(tmp_path)
    looked = restored(restorable)
    added.unlink()
    if before is not None:  # some builds of pg_basebackup leave an empty map
        added.write_bytes(before)
    assert levels(looked) == {"restoration": UNKNOWN}
    assert f"the backup leads out of its folder ({name})" in found(looked, "restoration").detail
    assert list(tmp_path.iterdir()) == []


def test_a_backup_that_is_reached_through_a_link_stays_as_it_is(restorable: Platform) -> None:
    """``latest`` beside the backups is one of them: its files are copied, not the link."""
    newest = restorable.store.newest()
    before = {file.name for file in newest.iterdir()}
    link = restorable.store.base / "zz_latest"
    link.symlink_to(newest)
    looked = restored(restorable)
    link.unlink()
    assert levels(looked) == GOOD
    assert {file.name for file in newest.iterdir()} == before


def test_a_target_with_tablespaces_is_not_restored(restorable: Platform, tmp_path: Path) -> None:
    """Replayed WAL would write to their folders: NOT COLLECTED, with their names."""
    cluster = Cluster(tmp_path / "data", free_port(), secrets.token_hex(8))
    cluster.init()
    server = cluster.start()
    try:
        folder = tmp_path / "space"
        folder.mkdir()
        shutil.chown(folder, identity().uid, identity().gid)
        clocks = restorable.config.maintenance.sql
        connect = partial(psycopg.connect, cluster.dsn("postgres"))
        with database.session(connect, clocks, read_only=True) as session:
            assert original(session).database == "postgres"
        with connect(autocommit=True) as admin:
            admin.execute(f"CREATE TABLESPACE elsewhere LOCATION '{folder}'".encode())
        with (
            database.session(connect, clocks, read_only=True) as session,
            pytest.raises(NotCollected, match="tablespaces \\(elsewhere\\)"),
        ):
            original(session)
    finally:
        cluster.stop(server)
        shutil.rmtree(cluster.directory())


def test_a_record_of_another_cluster_is_none(restorable: Platform, book: Ledger, window: Window) -> None:
    """After pg_upgrade or a rebuild positions mean something else; the newest of the target's own is taken."""
    here, body = restorable.newest(), restorable.known
    with book.session() as session:
        open_window(session, window)
        for name, record in (("mine", body), ("theirs", body | {"system_identifier": "7"})):
            looked = LookResult((), snapshot=record | {"database": name})
            add_step(session, window, StepRecord(f"{name}.contents", "ran", "", "", window.due, looked=looked))
    with book.session() as session:
        mine = recorded(session, window.target, here, body["system_identifier"])
        assert mine is not None
        assert mine["database"] == "mine"
        assert recorded(session, window.target, here, "8") is None
        assert recorded(session, "another", here, body["system_identifier"]) is None


KILLED = """
import os, pickle, signal, sys
from upkeep.areas.backups.copies import copy_of
backup, config, restore = pickle.load(open(sys.argv[1], "rb"))
with copy_of(backup, config, restore, "postgres", []) as copy:
    copy.recover(None, {}, "recovery")
    print(copy.folder, copy.socket, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_task_that_is_told_to_end_leaves_nothing(restorable: Platform) -> None:
    """What Airflow calls then stops the server and removes the copy, amid its work."""
    here = restorable.newest()
    with copy_of(here.backup.folder, here.config, here.restore, "postgres", here.ending) as copy:
        copy.recover(None, restorable.system.original.settings, "recovery")
        assert servers(copy.data)
        (end,) = here.ending
        end()
        assert not servers(copy.data)
        assert not copy.folder.exists()
        assert not copy.socket.exists()


def test_what_a_killed_process_left_is_removed_and_nothing_else(restorable: Platform, tmp_path: Path) -> None:
    """Its server, its files and its socket go with the next restoration; a stranger's folder stays."""
    here = restorable.newest()
    job = tmp_path / "job"
    job.write_bytes(pickle.dumps((here.backup.folder, here.config, here.restore)))
    argv = [sys.executable, "-c", KILLED, str(job)]
    killed = subprocess.run(
        argv, env=os.environ | {"PYTHONPATH": str(ROOT / "plugins")}, capture_output=True, text=True, check=False
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    left, socket = (Path(word) for word in killed.stdout.split())
    assert servers(left / "data")
    assert socket.is_dir()
    stranger = restorable.scratch / "notes"
    stranger.mkdir()
    looked = restore(
        restorable.newest(), restorable.system.original, restorable.known, restorable.config.maintenance.sql
    )
    assert levels(looked) == GOOD
    assert restorable.left() == ["notes"]
    assert not socket.exists()
    assert not servers(left / "data")
    stranger.rmdir()
