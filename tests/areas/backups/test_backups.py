"""The daily backup verification on real backups: each finding appears and disappears (G99, G100)."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox import backups as sandbox
from sandbox.backups import Store
from sandbox.ports import free_port
from sandbox.postgres import Cluster, bin_dir
from tests.stages.archives import switch
from upkeep.areas.backups import files, room, sizes, verification
from upkeep.areas.backups.files import Backup, BackupError, Label, Segment
from upkeep.areas.backups.look import look_at_backups
from upkeep.areas.backups.verification import differing
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import Backups
from upkeep.settings.base import ROOT
from upkeep.settings.load import settings

VERIFY = str(bin_dir() / "pg_verifybackup")
#: A user that no file belongs to.
NOBODY = 65534
OK, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
ALL_OK = dict.fromkeys(("completion", "age", "size", "integrity", "wal"), OK)


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """Two real backups that ended an hour ago and four archived segments after the newer one; the server is stopped."""
    folder = tmp_path_factory.mktemp("backups")
    cluster = Cluster(folder / "data", free_port(), secrets.token_hex(8), folder / "wal")
    cluster.init()
    store = Store(folder, cluster.archive_directory())
    server = cluster.start()
    try:
        for _ in range(2):
            ended(sandbox.take(cluster.dsn("postgres"), store), 3600)
        for _ in range(4):
            switch(cluster, store)
    finally:
        cluster.stop(server)
    yield store
    shutil.rmtree(cluster.directory())
    shutil.rmtree(store.wal)


def ended(backup: Path, seconds: float) -> None:
    """It ended so many seconds ago, or so many ahead of us."""
    at = time.time() - seconds
    os.utime(backup / files.MANIFEST, (at, at))


@pytest.fixture
def store(taken: Store) -> Iterator[Store]:
    """The backups for a test to spoil: what it did by `plant` is undone."""
    yield taken
    sandbox.heal(taken)


@pytest.fixture
def copied(taken: Store, tmp_path: Path) -> Store:
    """A copy of the backups, for what `plant` cannot do."""
    shutil.copytree(taken.base, tmp_path / "base", symlinks=True)
    shutil.copytree(taken.wal, tmp_path / "wal")
    return Store(tmp_path, tmp_path / "wal")


def look(store: Store, now: datetime | None = None, **config: Any) -> LookResult:
    """Look at a store's backups now, or at another time; the age of the archive is judged where a test says so."""
    given = {"base": store.base, "wal": store.wal, "verify_program": VERIFY, "max_wal_age_hours": None, **config}
    return look_at_backups(Backups(**given), now or datetime.now(UTC))


def at_first(store: Store) -> datetime:
    """Two minutes after the newest backup was begun, however long ago that is."""
    begun = files.read_label(store.newest()).started_at
    assert begun is not None
    return begun + timedelta(minutes=2)


def levels(looked: LookResult) -> dict[str, Level]:
    """Aspect → level."""
    return {finding.key.removeprefix("backups:"): finding.level for finding in looked.findings}


def found(looked: LookResult, aspect: str) -> Finding:
    """The finding of one aspect."""
    return next(finding for finding in looked.findings if finding.key == f"backups:{aspect}")


@pytest.mark.guide("G7", "G99", "G100", "silent")
def test_good_backups_are_ok(store: Store) -> None:
    """Five aspects, each with what was seen, and the numbers as samples."""
    looked = look(store, at_first(store))
    assert levels(looked) == ALL_OK
    newest = store.newest().name
    assert found(looked, "completion").detail.startswith(f"{newest}: ")
    assert "0.0 h ago" in found(looked, "age").detail
    assert found(looked, "integrity").detail == "backup successfully verified"
    first = next(file for file in (store.newest() / "pg_wal").iterdir() if len(file.name) == 24).name
    assert found(looked, "wal").detail.startswith(f"5 segments from {first} to 0")
    assert {finding.guide for finding in looked.findings} == {"G99", "G100"}
    samples = {sample.metric: sample.value for sample in looked.samples}
    assert samples["backup_bytes"] > 10_000_000
    assert 0 <= samples["backup_age"] < 1


@pytest.mark.guide("G7", "G99", "G100", "fires", "silent")
@pytest.mark.parametrize(
    ("fault", "expected", "aspect", "said"),
    [
        ("stale", {"age": CRITICAL}, "age", "72.0 h ago"),
        ("flipped-bit", {"integrity": CRITICAL}, "integrity", "checksum mismatch for file"),
        ("truncated-file", {"completion": CRITICAL, "integrity": CRITICAL}, "completion", " bytes, expected "),
        (
            "missing-file",
            {"completion": CRITICAL, "integrity": CRITICAL},
            "completion",
            "global/pg_control: No such file",
        ),
        ("missing-segment", {"wal": CRITICAL}, "wal", "; missing: 0000000100"),
        ("truncated-segment", {"wal": CRITICAL}, "wal", "; not whole: 0000000100"),
        ("unfinished", {"unfinished": Level.ADVISORY}, "unfinished", "is under way or was broken off"),
        (
            "broken-manifest",
            {"completion": CRITICAL, "size": UNKNOWN, "integrity": CRITICAL},
            "completion",
            "backup_manifest is not what pg_basebackup writes",
        ),
    ],
)
def test_each_fault_is_found_and_gone_once_healed(
    store: Store, fault: str, expected: dict[str, Level], aspect: str, said: str
) -> None:
    """The aspects that a fault concerns and no others."""
    now = at_first(store)
    assert levels(look(store, now)) == ALL_OK
    sandbox.plant(store, fault)
    looked = look(store, now)
    assert levels(looked) == ALL_OK | expected
    assert said in found(looked, aspect).detail
    assert found(looked, aspect).remedy
    sandbox.heal(store, fault)
    assert levels(look(store, now)) == ALL_OK


@pytest.mark.guide("G99", "fires", "silent")
def test_the_age_at_its_boundaries(store: Store) -> None:
    """26 h are ok and more warns, 50 h still warn and more is critical; a clock that is behind is UNKNOWN."""
    begun = files.read_label(store.newest()).started_at
    assert begun is not None
    for hours, expected in ((26, OK), (26.01, WARNING), (50, WARNING), (50.01, CRITICAL), (-0.05, OK), (-0.2, UNKNOWN)):
        assert found(look(store, begun + timedelta(hours=hours)), "age").level is expected, hours


def test_a_start_time_that_was_rewritten_is_caught_twice(copied: Store) -> None:
    """An older label is believed and its checksum is wrong; a younger one is not believed: the manifest is older."""
    label = copied.newest() / "backup_label"
    text = label.read_text()
    begun = files.read_label(copied.newest()).started_at
    assert begun is not None
    for name in sorted(copied.base.iterdir())[:1]:
        shutil.rmtree(name)
    for shift, age in ((-30, WARNING), (30, OK)):
        moved = begun + timedelta(hours=shift)
        label.write_text(text.replace(f"{begun:%Y-%m-%d %H:%M:%S}", f"{moved:%Y-%m-%d %H:%M:%S}"))
        assert levels(look(copied, begun)) == ALL_OK | {"age": age, "integrity": CRITICAL}


def test_a_label_in_another_time_zone_leaves_the_age_to_the_manifest(copied: Store) -> None:
    """CEST says nothing certain; the manifest's own time is in GMT."""
    label = copied.newest() / "backup_label"
    label.write_text(label.read_text().replace(" UTC\n", " CEST\n"))
    assert files.read_label(copied.newest()).started_at is None
    assert found(look(copied), "age").level is OK
    assert found(look(copied, datetime.now(UTC) + timedelta(hours=27)), "age").level is WARNING


@pytest.mark.guide("G99", "fires")
def test_a_backup_whose_time_nothing_tells_is_of_unknown_age(copied: Store) -> None:
    """A label in a zone that says nothing certain, a manifest without the label's time: UNKNOWN, not young or old."""
    folder = copied.newest()
    label, manifest = folder / "backup_label", folder / "backup_manifest"
    label.write_text(label.read_text().replace(" UTC\n", " CEST\n"))
    entries = json.loads(manifest.read_text())
    (entry,) = [one for one in entries["Files"] if one["Path"] == "backup_label"]
    for unreadable in ("yesterday", "2026-13-01 00:00:00 GMT"):
        entry["Last-Modified"] = unreadable
        manifest.write_text(json.dumps(entries))
        looked = look(copied)
        age = found(looked, "age")
        assert (age.level, age.detail) == (UNKNOWN, "not collected: nothing in it says when it was begun")
        assert not [sample for sample in looked.samples if sample.metric == "backup_age"]


@pytest.mark.guide("G100", "fires")
def test_a_backup_without_its_version_is_critical(copied: Store) -> None:
    """pg_verifybackup would not be of its major, and whoever restores it does not know which server to take."""
    version = copied.newest() / "PG_VERSION"
    for spoil in (lambda: version.write_bytes(b"\xff17\n"), version.unlink):
        spoil()
        integrity = found(look(copied), "integrity")
        assert (integrity.level, integrity.detail) == (CRITICAL, "found no PG_VERSION in the backup")


def test_file_times_do_not_make_a_backup_young(store: Store) -> None:
    """Touched or copied files change nothing about when it began."""
    begun = files.read_label(store.newest()).started_at
    assert begun is not None
    before = store.newest().stat()
    os.utime(store.newest(), (2_000_000_000, 2_000_000_000))
    assert found(look(store, begun + timedelta(hours=60)), "age").level is CRITICAL
    os.utime(store.newest(), ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.guide("G99", "fires", "silent")
def test_a_small_backup_is_found(store: Store) -> None:
    """A limit above its size is critical, one at its size is not."""
    size = next(int(sample.value) for sample in look(store).samples if sample.metric == "backup_bytes")
    assert levels(look(store, min_bytes=size + 1)) == ALL_OK | {"size": CRITICAL}
    assert levels(look(store, min_bytes=size)) == ALL_OK


@pytest.mark.guide("G99", "fires", "silent")
def test_a_backup_that_shrank_is_found(copied: Store) -> None:
    """One before it that holds more than twice as much; not what is incremental, nor WAL that it brought."""
    (older,) = (one.folder for one in files.find(copied.base) if one.folder != copied.newest())
    more = older / "base" / "more"
    for place in (older / "pg_wal" / "more", more):
        assert levels(look(copied)) == ALL_OK
        place.touch()
        os.truncate(place, 2**40)
    looked = look(copied)
    assert levels(looked) == ALL_OK | {"size": WARNING}
    assert ", and 50 % of those before it (" in found(looked, "size").expected
    assert "emptied database" in found(looked, "size").remedy
    assert levels(look(copied, least_percent=0)) == ALL_OK
    assert levels(look(copied, min_bytes=10**12)) == ALL_OK | {"size": CRITICAL}
    label = older / files.LABEL
    said = label.read_text()
    label.write_text(f"{said}INCREMENTAL FROM LSN: 0/2000028\n")
    assert levels(look(copied)) == ALL_OK
    label.write_text(said)
    assert levels(look(copied)) == ALL_OK | {"size": WARNING}
    more.unlink()
    assert levels(look(copied)) == ALL_OK


@pytest.mark.guide("G99", "silent")
def test_an_incremental_backup_is_held_against_none(copied: Store) -> None:
    """What changed in a day says nothing of what there is."""
    newest, finished = files.find(copied.base)[-1], files.find(copied.base)
    assert len(sizes.before(newest, finished)) == 1
    with (newest.folder / files.LABEL).open("a") as label:
        label.write("INCREMENTAL FROM LSN: 0/2000028\n")
    assert sizes.before(newest, finished) == []


@pytest.mark.guide("G99", "fires", "silent")
def test_without_any_finished_backup_it_is_critical(copied: Store, tmp_path: Path) -> None:
    """No folder, an empty one, a file in its place, and one with unfinished backups only."""
    assert levels(look(Store(tmp_path / "nowhere", copied.wal))) == {"completion": CRITICAL}
    empty = Store(tmp_path / "empty", copied.wal)
    (empty.base / "lost+found").mkdir(parents=True)
    assert "found no finished backup" in look(empty).findings[0].detail
    (tmp_path / "file").mkdir()
    (tmp_path / "file" / "base").write_text("")
    assert levels(look(Store(tmp_path / "file", copied.wal))) == {"completion": CRITICAL}
    older, newer = sorted(copied.base.iterdir())
    (older / "backup_manifest").unlink()
    (newer / "pg_wal" / "000000010000000000000009.partial").touch()
    looked = look(copied)
    assert levels(looked) == {"completion": CRITICAL}
    assert looked.findings[0].detail.endswith(f"; unfinished: {older.name}; {newer.name}")
    (newer / "pg_wal" / "000000010000000000000009.partial").unlink()
    assert levels(look(copied)) == ALL_OK


@pytest.mark.guide("G99", "fires")
def test_a_newer_backup_without_its_end_is_named_for_long(store: Store) -> None:
    """For six hours it may be under way, after that it is a warning; the older backup is judged meanwhile."""
    sandbox.plant(store, "unfinished")
    older = sorted(store.base.iterdir())[0]
    later = look(store, datetime.now(UTC) + timedelta(hours=7))
    assert levels(later) == ALL_OK | {"unfinished": WARNING}
    assert found(later, "completion").detail.startswith(older.name)
    assert "was never finished" in found(later, "unfinished").detail


def test_a_backup_without_a_label_is_incomplete(copied: Store) -> None:
    """Without it recovery would start at the wrong place; the WAL cannot be judged."""
    (copied.newest() / "backup_label").unlink()
    looked = look(copied)
    assert levels(looked) == ALL_OK | {"completion": CRITICAL, "integrity": CRITICAL, "wal": UNKNOWN}
    assert "backup_label cannot be read: No such file" in found(looked, "completion").detail


@pytest.mark.guide("G100", "fires")
def test_the_program_is_missing_of_another_major_or_too_slow(store: Store, tmp_path: Path) -> None:
    """Each is UNKNOWN with its reason and the setting; what needs no program is judged all the same."""
    looked = look(store, verify_program="pg_verifybackup_that_is_not_there")
    assert levels(looked) == ALL_OK | {"integrity": UNKNOWN}
    assert "found no program" in found(looked, "integrity").detail
    assert "verify_program" in found(looked, "integrity").remedy

    def instead(script: str, seconds: float = 60) -> Finding:
        program = tmp_path / "program"
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        looked = look(store, verify_program=str(program), verify_timeout_seconds=seconds)
        assert levels(looked) == ALL_OK | {"integrity": found(looked, "integrity").level}
        return found(looked, "integrity")

    version = '[ "$1" = --version ] && echo "pg_verifybackup (PostgreSQL) 17.1" && exit'
    unseen = instead(version.replace("17", "16"))
    assert (
        unseen.level is UNKNOWN and "is 'pg_verifybackup (PostgreSQL) 16.1', expected one of major 17" in unseen.detail
    )
    assert "expected one of major 17" in instead("echo nonsense").detail
    assert "did not end within 0.5 s" in instead(f"{version}\nexec sleep 600", 0.5).detail
    assert "ended with -9" in instead(f"{version}\nkill -9 $$").detail
    loud = instead(f"{version}\nhead -c 5000000 /dev/zero | tr '\\0' x\nexit 1")
    assert (loud.level, len(loud.detail)) == (CRITICAL, verification.MAX_OUTPUT + 1)


@pytest.mark.guide("G100", "fires", "silent")
def test_gaps_in_the_archive(copied: Store) -> None:
    """A gap in the middle, two of them, an archive that ends before the backup does, an empty and an absent one."""
    names = sorted(file.name for file in copied.wal.iterdir() if len(file.name) == 24)
    needed = [name for name in names if name >= files.read_label(copied.newest()).start.name(2**24)]

    def without(*gone: str) -> Finding:
        for name in gone:
            (copied.wal / name).rename(copied.folder / name)
        looked = look(copied)
        for name in gone:
            (copied.folder / name).rename(copied.wal / name)
        assert levels(look(copied)) == ALL_OK
        assert levels(looked) == ALL_OK | {"wal": found(looked, "wal").level}
        return found(looked, "wal")

    assert without(names[0]).level is OK, "the older backup's own segment"
    assert without(needed[-1]).level is OK, "a shorter archive has no gap"
    assert without(needed[2]).detail.endswith(f"; missing: {needed[2]}")
    assert without(needed[1], needed[3]).detail.endswith(f"; missing: {needed[1]}; {needed[3]}")
    assert without(needed[1], needed[2]).detail.endswith(f"; missing: {needed[1]} to {needed[2]}")
    ended = without(*needed)
    assert ended.level is CRITICAL
    assert ended.detail == f"0 segments from {needed[0]}; missing: {needed[0]}"
    shutil.rmtree(copied.wal)
    assert found(look(copied), "wal").detail == f"found no folder {copied.wal}"


def archived(folder: Path, *segments: Segment) -> Path:
    """An archive that holds these segments of one megabyte, whole."""
    folder.mkdir(exist_ok=True)
    for segment in segments:
        with (folder / segment.name(2**20)).open("wb") as file:
            file.truncate(2**20)
    return folder


#: A backup on timeline 2 that begins in segment 7 and needs WAL to the last byte of segment 9.
BEGUN = Label(Segment(2, 7), 2**20, None)
NEEDED = 10 * 2**20


@pytest.mark.guide("G100", "fires", "silent")
def test_a_segment_of_an_older_timeline_fills_no_gap(tmp_path: Path) -> None:
    """The history before a promotion has a segment of the same number, and other contents."""
    now = datetime.now(UTC)
    wal = archived(tmp_path / "wal", *(Segment(2, number) for number in (7, 9)), Segment(1, 8))
    seen = files.read_archive(wal, BEGUN, NEEDED, now)
    assert (seen.segments, seen.missing) == (2, [(Segment(2, 8), Segment(2, 8))])
    archived(wal, Segment(2, 8))
    assert files.read_archive(wal, BEGUN, NEEDED, now).missing == []


@pytest.mark.guide("G100", "fires", "silent")
def test_wal_must_reach_the_backups_end(tmp_path: Path) -> None:
    """Without a gap from its first segment on, an archive that ends before the backup does cannot restore it."""
    now = datetime.now(UTC)
    wal = archived(tmp_path / "wal", Segment(2, 7))
    assert files.read_archive(wal, BEGUN, NEEDED, now).missing == [(Segment(2, 8), Segment(2, 9))]
    archived(wal, Segment(2, 8))
    assert files.read_archive(wal, BEGUN, NEEDED, now).missing == [(Segment(2, 9), Segment(2, 9))]
    assert files.read_archive(wal, BEGUN, NEEDED + 1, now).missing == [(Segment(2, 9), Segment(2, 10))]
    archived(wal, Segment(2, 9))
    assert files.read_archive(wal, BEGUN, NEEDED, now).missing == []


@pytest.mark.guide("G100", "fires", "silent")
def test_an_archive_that_stopped_is_found(copied: Store) -> None:
    """Whole and without a gap, but its newest segment is older than the limit; a gap in it is critical all the same."""
    archived_at = max(file for file in copied.wal.iterdir() if len(file.name) == 24).stat().st_mtime
    now = datetime.fromtimestamp(archived_at, UTC)
    assert found(look(copied, now, max_wal_age_hours=2), "wal").level is OK
    stopped = found(look(copied, now + timedelta(hours=3), max_wal_age_hours=2), "wal")
    assert (stopped.level, stopped.expected.endswith("at most 2 h old")) == (WARNING, True)
    assert "archived 3.0 h ago" in stopped.detail
    assert "archive_command" in stopped.remedy
    assert found(look(copied, now + timedelta(hours=3), max_wal_age_hours=3.5), "wal").level is OK
    assert found(look(copied, now + timedelta(hours=3)), "wal").level is OK
    (copied.wal / files.read_label(copied.newest()).start.name(2**24)).unlink()
    assert found(look(copied, now + timedelta(hours=3), max_wal_age_hours=2), "wal").level is CRITICAL


@pytest.mark.guide("G100", "fires", "silent")
def test_an_archive_whose_hosts_clock_runs_ahead_is_unknown(copied: Store) -> None:
    """WAL of tomorrow would look fresh for a day after it had stopped; five minutes are the clocks' difference."""
    newest = max(file for file in copied.wal.iterdir() if len(file.name) == 24)
    now = datetime.now(UTC)
    for ahead, level, said in ((4, OK, "archived 0.0 h ago"), (6, UNKNOWN, " UTC, which is still to come")):
        at = (now + timedelta(minutes=ahead)).timestamp()
        os.utime(newest, (at, at))
        seen = found(look(copied, now, max_wal_age_hours=2), "wal")
        assert (seen.level, seen.detail.endswith(said)) == (level, True), seen.detail
    assert found(look(copied, now), "wal").level is OK, "no age is judged where config says so"


@pytest.mark.guide("G99", "fires")
def test_a_backup_without_its_end_that_was_begun_tomorrow_is_a_warning(store: Store) -> None:
    """By a clock that runs ahead it would be under way until then."""
    sandbox.plant(store, "unfinished")
    older = sorted(store.base.iterdir())[0]
    begun = files.read_label(older).started_at
    assert begun is not None
    early = found(look(store, begun - timedelta(hours=1)), "unfinished")
    assert (early.level, "which is still to come" in early.detail) == (WARNING, True)


@pytest.mark.guide("G100", "fires", "silent")
def test_the_newest_segment_may_still_be_copied(copied: Store) -> None:
    """Short for less than a minute it is under way, for longer it is not whole; any other is judged at once."""
    names = sorted(file.name for file in copied.wal.iterdir() if len(file.name) == 24)
    coming = copied.wal / Segment(1, int(names[-1][16:], 16) + 1).name(2**24)
    coming.write_bytes(b"the first few pages")
    written = datetime.fromtimestamp(coming.stat().st_mtime, UTC)
    assert levels(look(copied, written)) == ALL_OK
    late = found(look(copied, written + timedelta(seconds=60)), "wal")
    assert (late.level, late.detail.endswith(f"; not whole: {coming.name}: 19 bytes")) == (CRITICAL, True)
    shutil.copy(copied.wal / names[-1], copied.wal / Segment(1, int(names[-1][16:], 16) + 2).name(2**24))
    assert found(look(copied, written), "wal").level is CRITICAL
    shutil.copy(copied.wal / names[-1], coming)
    assert levels(look(copied)) == ALL_OK


@pytest.mark.guide("G100", "fires", "silent")
def test_a_clock_that_is_ahead_leaves_a_segment_its_minute_to_be_copied(copied: Store) -> None:
    """The archiving host's clock may be ahead by five minutes; further ahead the segment is not whole."""
    names = sorted(file.name for file in copied.wal.iterdir() if len(file.name) == 24)
    coming = copied.wal / Segment(1, int(names[-1][16:], 16) + 1).name(2**24)
    coming.write_bytes(b"the first few pages")
    written = datetime.fromtimestamp(coming.stat().st_mtime, UTC)
    assert levels(look(copied, written - timedelta(minutes=4))) == ALL_OK
    assert found(look(copied, written - timedelta(minutes=6)), "wal").level is CRITICAL


@pytest.mark.guide("G100", "fires", "silent")
def test_what_a_backup_that_has_just_ended_took_along_may_be_archived_after_it(copied: Store) -> None:
    """For a minute, and where only its end is missing: a gap before what is archived stays one."""
    newest = copied.newest()
    first = files.read_label(newest).start.name(2**24)
    after = [copied.wal / file.name for file in copied.wal.iterdir() if file.name > first and len(file.name) == 24]

    def level(seconds: float) -> Level:
        ended(newest, seconds)
        return found(look(copied), "wal").level

    (copied.wal / first).rename(copied.folder / first)
    assert level(1) is CRITICAL, "later segments are archived"
    for file in after:
        file.rename(copied.folder / file.name)
    assert level(1) is OK
    said = f"0 segments from {first}; not archived yet, the backup has just ended: {first}"
    assert found(look(copied), "wal").detail == said
    assert (level(61), level(-240), level(-360)) == (CRITICAL, OK, CRITICAL)
    assert level(1) is OK
    (newest / "pg_wal" / first).rename(copied.folder / "taken along")
    assert level(1) is CRITICAL, "nothing holds it"
    (copied.folder / first).rename(copied.wal / first)
    assert level(1) is OK


@pytest.mark.guide("G100", "silent")
def test_a_segment_that_is_cleaned_away_meanwhile_was_never_there(copied: Store) -> None:
    """Listed and gone when looked at: a link to nothing stands for it. It is not the folder that is missing."""
    names = sorted(file.name for file in copied.wal.iterdir() if len(file.name) == 24)
    (copied.wal / Segment(1, int(names[-1][16:], 16) + 1).name(2**24)).symlink_to(copied.folder / "nowhere")
    assert levels(look(copied)) == ALL_OK
    assert names[-1] in found(look(copied), "wal").detail


def test_what_else_may_lie_in_the_archive(copied: Store) -> None:
    """Compressed segments count, partial and temporary ones do not, a new timeline goes on; a far one is a gap."""
    names = sorted(file.name for file in copied.wal.iterdir() if len(file.name) == 24)
    (copied.wal / names[-1]).rename(copied.wal / f"{names[-1]}.gz")
    last = Segment(1, int(names[-1][16:], 16))
    for name in ("00000002.history", f"{Segment(1, last.number + 9).name(2**24)}.partial", "x.unfinished"):
        (copied.wal / name).write_text("")
    with (copied.wal / Segment(2, last.number + 1).name(2**24)).open("wb") as file:
        file.truncate(2**24)
    looked = look(copied)
    assert levels(looked) == ALL_OK
    assert "to 00000002" in found(looked, "wal").detail
    with (copied.wal / ("F" * 22 + "FE")).open("wb") as file:
        file.truncate(2**24)
    assert found(look(copied), "wal").level is CRITICAL


def test_a_backup_without_wal_of_its_own_is_verified_with_the_archive(copied: Store) -> None:
    """As pg_basebackup --wal-method=none leaves it."""
    for file in (copied.newest() / "pg_wal").iterdir():
        file.unlink() if file.is_file() else shutil.rmtree(file)
    assert levels(look(copied)) == ALL_OK
    label = files.read_label(copied.newest())
    (copied.wal / label.start.name(label.segment_bytes)).unlink()
    assert levels(look(copied)) == ALL_OK | {"wal": CRITICAL, "integrity": CRITICAL}


def test_a_hostile_manifest_is_not_followed(copied: Store) -> None:
    """Paths that lead out, other types, deep nesting and no JSON are each a broken manifest, not a crash."""
    manifest = copied.newest() / "backup_manifest"
    good = json.loads(manifest.read_text())
    evil = [
        {"Path": "../../../etc/passwd", "Size": 1},
        {"Path": "/etc/passwd", "Size": 1},
        {"Encoded-Path": "2e2e2f78", "Size": 1},
        {"Encoded-Path": "zz", "Size": 1},
        {"Path": 7, "Size": 1},
        {"Path": "x", "Size": "many"},
        "text",
    ]
    contents = [json.dumps({**good, "Files": [entry]}) for entry in evil]
    contents += [
        "",
        "[]",
        "null",
        "[" * 100_000,
        '{"Files": 3}',
        json.dumps({**good, "WAL-Ranges": [{"End-LSN": "x"}]}),
    ]
    for content in contents:
        manifest.write_text(content)
        with pytest.raises(BackupError, match="backup_manifest is not what pg_basebackup writes"):
            files.read_manifest(copied.newest())
    assert levels(look(copied))["completion"] is CRITICAL


def test_the_manifest_of_an_older_server_is_read(tmp_path: Path) -> None:
    """Up to PostgreSQL 16 it is version 1, without a system identifier; a name that is no UTF-8 is written in hex."""
    manifest = files.read_manifest(Path(__file__).parent / "manifest_v1")
    strange = os.fsdecode("base/1/größe".encode("latin-1"))
    assert manifest.files == {"backup_label": 225, "global/pg_control": 8192, "base/1/PG_VERSION": 3, strange: 5}
    assert manifest.begun_at == datetime(2023, 11, 20, 2, 0, 4, tzinfo=UTC)
    assert manifest.end_lsn == 0x3000060
    for path, size in manifest.files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"x" * size)
    assert differing(tmp_path, manifest) == ([], 8425)
    (tmp_path / strange).unlink()
    assert differing(tmp_path, manifest) == ([f"{strange}: No such file or directory"], 8420)


@pytest.mark.parametrize("power", range(20, 31))
def test_the_segment_size_is_read_from_the_label(tmp_path: Path, power: int) -> None:
    """For each size that initdb allows, in the first and in later logs; names come out as they went in."""
    for number in (1, 2, 3, 5, 4096, 70_001):
        lsn = number * 2**power + 40
        name = Segment(3, number).name(2**power)
        (tmp_path / "backup_label").write_text(f"START WAL LOCATION: {lsn >> 32:X}/{lsn % 2**32:X} (file {name})\n")
        label = files.read_label(tmp_path)
        if lsn % 2**32 >= 2**power:  # in a log's first segment every size fits
            assert (label.segment_bytes, label.start.name(label.segment_bytes)) == (2**power, name)


def test_folders_that_cannot_be_read_are_unknown(copied: Store, tmp_path: Path) -> None:
    """Neither missing nor good. A link to itself stands for a forbidden folder, which root could read."""
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    for place, aspect in (("wal", "wal"), ("base", "completion")):
        finding = found(look(copied, **{place: loop}), aspect)
        assert finding.level is UNKNOWN
        assert f"{loop} cannot be read: Too many levels of symbolic links" in finding.detail


def test_a_link_to_a_backup_beside_it_is_no_second_one(copied: Store) -> None:
    """But one to what counts only by the link is a backup; one to itself is nothing."""
    names = [backup.folder.name for backup in files.find(copied.base)]
    (copied.base / "loop").symlink_to("loop")
    (copied.base / "latest").symlink_to(names[-1])
    (copied.base / "later").symlink_to("latest")
    assert [backup.folder.name for backup in files.find(copied.base)] == names
    assert levels(look(copied)) == ALL_OK
    newest = copied.newest()
    for target in (".hidden", "newest.partial", "../beside"):
        newest.rename(copied.base / target)
        (copied.base / "current").symlink_to(target)
        counted = {backup.folder.name: backup.finished for backup in files.find(copied.base)}
        assert counted == dict.fromkeys([*names[:-1], "current"], True) | (
            {target: False} if target.endswith(".partial") else {}
        )
        (copied.base / "current").unlink()
        (copied.base / target).rename(newest)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("{base: base, wal: /w}", "targets.primary.backups.base: found 'base', expected an absolute path"),
        ("{base: /b}", "targets.primary.backups.wal: found nothing, expected this setting to be given"),
        (
            "{base: /b, wal: /w, max_age_hours: 60}",
            "targets.primary.backups.critical_age_hours: found 50, expected at least max_age_hours (60)",
        ),
        ("{base: /b, wal: /w, min_byte: 1}", "did you mean 'min_bytes'?"),
    ],
)
def test_mistakes_in_config_are_said(tmp_path: Path, section: str, said: str) -> None:
    """Each names the setting, what was found and what was expected."""
    shutil.copytree(ROOT / "config", tmp_path / "config")
    file = tmp_path / "config" / "maintenance.yaml"
    file.write_text(file.read_text().replace("    # backups:", f"    backups: {section}\n    #", 1))
    with pytest.raises(ValueError, match=r"maintenance\.yaml") as caught:
        settings(tmp_path / "config")
    assert said in str(caught.value)


def room_of(store: Store, now: datetime | None = None, **config: Any) -> dict[str, Finding]:
    """What is said of the free space of a store's file systems, by the rest of its key."""
    backups = Backups(**{"base": store.base, "wal": store.wal, **config})
    told = room.look_at_room(backups, None, "", now or at_first(store))
    return {one.key.removeprefix("backups:room:"): one for one in told}


def huge(file: Path) -> Path:
    """A file that says twice what is free, and takes nothing."""
    file.touch()
    os.truncate(file, shutil.disk_usage(file.parent).free * 2)
    return file


@pytest.mark.guide("G99", "fires", "silent")
def test_room_that_would_not_hold_the_next_backup_is_found(copied: Store) -> None:
    """The next is as large as the newest full one, and grows as that did; one that shrank is believed."""
    told = room_of(copied)
    assert {key: one.level for key, one in told.items()} == {"base": OK}
    assert " for the next base backup, due 20" in told["base"].detail
    assert " of WAL until then" in told["base"].detail
    older, newest = (one.folder for one in files.find(copied.base))
    large = huge(newest / "base" / "large")
    told = room_of(copied)
    assert told["base"].level is WARNING
    assert "pg_archivecleanup" in told["base"].remedy
    large.unlink()
    assert room_of(copied)["base"].level is OK
    large = huge(older / "base" / "large")
    assert room_of(copied)["base"].level is OK
    with (newest / files.LABEL).open("a") as label:
        label.write("INCREMENTAL FROM LSN: 0/2000028\n")
    assert room_of(copied)["base"].level is WARNING
    large.unlink()
    assert room_of(copied)["base"].level is OK


@pytest.mark.guide("G99", "fires", "silent")
def test_room_that_would_not_hold_the_wal_until_the_next_backup_is_found(copied: Store) -> None:
    """At the rate of the last interval, for what is left of this one."""
    for older in files.find(copied.base)[:-1]:
        shutil.rmtree(older.folder)
    now = datetime.now(UTC)
    assert room_of(copied, now)["base"].level is OK
    segment = huge(copied.wal / "0000000100000000000000FF")
    assert room_of(copied, now)["base"].level is WARNING
    assert room_of(copied, now + timedelta(days=3))["base"].level is OK, "the next one is due"
    segment.unlink()
    assert room_of(copied, now)["base"].level is OK


@pytest.mark.guide("G99", "silent")
def test_times_that_cannot_be_take_nothing_down(copied: Store) -> None:
    """A label with a bent bit, a segment's time beyond all calendars: the others predict."""
    now, newest = at_first(copied), files.find(copied.base)[-1].folder
    label = newest / files.LABEL
    text = label.read_text()
    year = re.search(r"START TIME: (\d{4})", text)
    assert year is not None
    label.write_text(text.replace(f"START TIME: {year[1]}", "START TIME: 9999"))
    segment = copied.wal / "0000000100000000000000FE"
    segment.touch()
    os.utime(segment, (2**38, 2**38))
    told = room_of(copied, now)
    assert {key: one.level for key, one in told.items()} == {"base": OK}
    for backup in files.find(copied.base):
        text = (backup.folder / files.LABEL).read_text()
        (backup.folder / files.LABEL).write_text(re.sub(r"START TIME: \d{4}", "START TIME: 9999", text))
    assert {key: one.level for key, one in room_of(copied, now).items()} == {"base": OK}


def test_tablespaces_that_may_not_be_seen_take_nothing_down() -> None:
    """Of a backup before the newest: who may list the folder and not enter it sees names and no links."""
    with tempfile.TemporaryDirectory() as name:
        base, user = Path(name), os.geteuid()
        spaces = base / "older" / "pg_tblspc"
        for folder in (base / "newest", spaces):
            folder.mkdir(parents=True)
        (base / "older" / "data").write_bytes(bytes(5))
        (spaces / "1").symlink_to(base)
        for folder, mode in ((base, 0o755), (spaces, 0o444)):
            folder.chmod(mode)
        older, newest = (Backup(base / one, True, datetime.now(UTC)) for one in ("older", "newest"))
        os.seteuid(user or NOBODY)
        try:
            with pytest.raises(PermissionError):
                (spaces / "1").is_symlink()
            assert sizes.before(newest, [older, newest]) == [5]
        finally:
            os.seteuid(user)
            spaces.chmod(0o755)


def test_what_the_next_one_takes() -> None:
    """Growth goes on, shrinking does not; the boundary is what is needed."""
    assert [room.predicted(sizes) for sizes in ([7], [7, 5], [7, 9])] == [7, 9, 7]
    need = room.Need("base", Path("/b"), 5, "five")
    assert [room.judge([need, need], free).level for free in (9, 10)] == [WARNING, OK]


def test_the_rate_of_wal(tmp_path: Path) -> None:
    """A segment an hour; of what is older nothing counts, and a burst is one of an hour at least."""
    now, hour = datetime.now(UTC), timedelta(hours=1)
    for ago in (*range(10), 30):
        file = tmp_path / f"{ago:024X}"
        file.write_bytes(b"1234")
        os.utime(file, ((now - ago * hour).timestamp(),) * 2)
    (tmp_path / "backup.history").write_bytes(bytes(1000))
    assert room.wal_within(5 * hour, tmp_path, 9.5 * hour, now) == round(40 / 9.5 * 5)
    assert room.wal_within(5 * hour, tmp_path, timedelta(0), now + hour / 2) == 4 * 5
    assert room.wal_within(0 * hour, tmp_path, 9.5 * hour, now) == 0


def test_each_file_system_is_judged_once(copied: Store, tmp_path: Path) -> None:
    """An archive on another one has a finding of its own; one that cannot be read is UNKNOWN and hides nothing."""
    assert list(room_of(copied, wal=Path("/proc"))) == ["base", "wal"]
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    told = room_of(copied, wal=loop)
    assert {key: one.level for key, one in told.items()} == {"base": OK, "base:not_collected": UNKNOWN}
    assert list(room_of(copied, wal=tmp_path / "none")) == ["base"]
    assert room_of(copied, base=tmp_path / "none") == {}, "critical by itself"
