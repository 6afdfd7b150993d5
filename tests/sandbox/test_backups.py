"""The sandbox's backups: real base backups, WAL that the server archives, and faults that can be undone."""

import hashlib
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest

from sandbox import backups, postgres
from sandbox.backups import BackupFailedError, Store
from sandbox.postgres import Cluster
from tests.stages.archives import switch
from upkeep.areas.backups import files as product
from upkeep.areas.backups import verification
from upkeep.core.findings import Level


@contextmanager
def archiving(folder: Path, port: int) -> Iterator[tuple[Cluster, Store]]:
    """A running cluster with an archive below a folder with a difficult name, and the store of its backups."""
    cluster = Cluster(folder / "data", port, secrets.token_hex(8), folder / "it's 100% %f" / "wal")
    cluster.init()
    wal = cluster.archive_directory()
    server = cluster.start()
    try:
        yield cluster, Store(folder / "it's 100% %f", wal)
    finally:
        cluster.stop(server)
        shutil.rmtree(cluster.directory())
        shutil.rmtree(wal)


@pytest.fixture(params=["unshare", "setpriv"] if os.geteuid() == 0 else ["plain"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Each way of running PostgreSQL that the current user has."""
    shared = Path("/var/tmp") / f"upkeep-test-backups-{os.getpid()}"
    monkeypatch.setenv("UPKEEP_SANDBOX_PG_AS", request.param)
    monkeypatch.setattr(postgres, "SHARED", shared)
    yield request.param
    shutil.rmtree(shared, ignore_errors=True)


def test_a_backup_and_its_archive_in_each_way(way: str, tmp_path: Path, port: int) -> None:
    """The backup passes pg_verifybackup, the archive holds each segment whole, and only the newest two are kept."""
    with archiving(tmp_path, port) as (cluster, store):
        taken = []
        for _ in range(3):
            taken.append(backups.take(cluster.dsn("postgres"), store))
            last = switch(cluster, store)
        assert sorted(store.base.iterdir()) == taken[1:]
        assert store.newest() == taken[2]
        label = product.read_label(taken[1])
        archive = product.read_archive(store.wal, label, product.read_manifest(taken[2]).end_lsn, datetime.now(UTC))
        assert (archive.missing, archive.damaged, archive.newest) == ([], [], last)
        names = sorted(file.name for file in store.wal.iterdir() if len(file.name) == 24)
        assert names[0] == label.start.name(label.segment_bytes)
        verified = verification.verify(str(postgres.bin_dir() / "pg_verifybackup"), taken[2], store.wal, 60)
        assert verified[0] is Level.OK, verified[1]
        assert "sha256" in (taken[2] / "backup_manifest").read_text().lower()
        assert not list(store.wal.glob("*.unfinished"))


def test_the_archive_command_keeps_what_is_there(tmp_path: Path) -> None:
    """A new segment is copied, the same one again is a success, another one of its name a failure."""
    folder = tmp_path / "it's 100% %f"
    folder.mkdir()
    source = tmp_path / "pg wal"
    command = postgres._archiving(folder)["archive_command"]

    def archive(content: str) -> int:
        """What the server does: fill in %p, %f and %%, and run it through a shell."""
        source.write_text(content)
        filled = command.replace("%%", "\0").replace("%p", "'pg wal'").replace("%f", "0001").replace("\0", "%")
        return os.waitstatus_to_exitcode(os.system(f"cd {tmp_path} && {filled} 2>/dev/null"))

    assert [archive("one"), archive("one")] == [0, 0]
    assert archive("two") != 0
    assert (folder / "0001").read_text() == "one"
    assert [file.name for file in folder.iterdir()] == ["0001"]


def test_a_cluster_without_an_archive_archives_nothing(tmp_path: Path) -> None:
    """Its command has no such setting, and asking for its archive is an error."""
    cluster = Cluster(tmp_path / "data", 1, "secret")
    assert not any("archive" in word for word in cluster.command())
    with pytest.raises(ValueError, match="made without archive"):
        cluster.archive_directory()


def test_a_backup_that_fails_says_why(tmp_path: Path, cluster: Cluster) -> None:
    """The error carries the program's own words."""
    with pytest.raises(BackupFailedError, match="password authentication failed"):
        backups.take(cluster.dsn("postgres", password="wrong"), Store(tmp_path, tmp_path / "wal"))
    with pytest.raises(LookupError, match="take one first"):
        Store(tmp_path, tmp_path / "wal").newest()


def content(store: Store) -> dict[str, str]:
    """Every file of the store's backups and archive with a digest."""
    files = [file for place in (store.base, store.wal) for file in place.rglob("*") if file.is_file()]
    return {str(file): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_each_fault_changes_something_and_can_be_undone(tmp_path: Path, port: int) -> None:
    """Planted twice and healed twice, alone and over one another, everything is as before; a new backup heals too."""
    with archiving(tmp_path, port) as (cluster, store):
        backups.take(cluster.dsn("postgres"), store)
        switch(cluster, store)  # the server archives the backup's own WAL soon after it, this segment after that
        before = content(store)
        for fault in backups.FAULTS:
            for _ in range(2):
                backups.plant(store, fault)
            assert content(store) != before, fault
            for _ in range(2):
                backups.heal(store, fault)
            assert content(store) == before, fault
        for fault in ("stale", "flipped-bit", "missing-segment", "broken-manifest"):
            backups.plant(store, fault)
        backups.heal(store)
        assert content(store) == before
        backups.plant(store, "unfinished")
        backups.take(cluster.dsn("postgres"), store)
        assert content(store).items() > {(k, v) for k, v in before.items() if "base" in k}
        with pytest.raises(LookupError, match="'rust' of backups, expected one of: stale, flipped-bit"):
            backups.plant(store, "rust")
