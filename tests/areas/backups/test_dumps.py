"""The daily verification of dumps on real ones by pg_dump: each finding appears and disappears (G99, G100)."""

from __future__ import annotations

import gzip
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import psycopg
import pytest

from sandbox.postgres import Cluster, bin_dir
from tests.conftest import database
from tests.stages.dumping import MORE, Dumped, dumpable
from tests.stages.sessions import until
from upkeep.areas.backups import room
from upkeep.areas.backups.dump_files import find
from upkeep.areas.backups.dump_look import look_at_dumps
from upkeep.core.findings import Finding, Level
from upkeep.ledger.write import LookResult
from upkeep.settings.backups import Dumps

OK, ADVISORY, WARNING, CRITICAL, UNKNOWN = Level.OK, Level.ADVISORY, Level.WARNING, Level.CRITICAL, Level.UNKNOWN
ALL_OK = dict.fromkeys(("completion", "age", "size", "integrity"), OK)
WAYS = {
    "custom": ("-Fc",),
    "directory": ("-Fd",),
    "custom, not compressed": ("-Fc", "-Z0"),
    "directory, not compressed": ("-Fd", "-Z0"),
    "directory, lz4": ("-Fd", "-Zlz4"),
    "directory, zstd": ("-Fd", "-Zzstd"),
}
RESTED = timedelta(minutes=2)


@pytest.fixture(scope="module")
def taken(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dumped]:
    """A database with a dump of each way, in a folder for each."""
    with dumpable(cluster, "dumped") as dsn:
        dumped = Dumped(dsn, tmp_path_factory.mktemp("dumps"))
        for way, words in WAYS.items():
            (dumped.folder / way).mkdir()
            dumped.take(f"{way}/2026-11-29", *words)
        yield dumped


@pytest.fixture
def copied(taken: Dumped, tmp_path: Path) -> Callable[[str], Path]:
    """Makes a copy of the dump of one way, to be spoilt: the only one in its folder."""

    def copy(way: str) -> Path:
        folder = tmp_path / way
        shutil.copytree(taken.folder / way, folder)
        return folder / "2026-11-29"

    return copy


def look(folder: Path, now: datetime | None = None, database: str = "dumped", **config: Any) -> LookResult:
    """Look at a folder's dumps two minutes from now, when they rest, or at another time."""
    given = {"folder": folder, "verify_program": str(bin_dir() / "pg_restore"), **config}
    return look_at_dumps(Dumps(**given), now or datetime.now(UTC) + RESTED, database)


def levels(looked: LookResult) -> dict[str, Level]:
    """Aspect → level."""
    return {finding.key.removeprefix("backups:dumps:"): finding.level for finding in looked.findings}


def found(looked: LookResult, aspect: str) -> Finding:
    """The finding of one aspect."""
    return next(finding for finding in looked.findings if finding.key == f"backups:dumps:{aspect}")


def biggest(dump: Path) -> Path:
    """The data file of the biggest table of a dump in the directory format."""
    return max((file for file in dump.iterdir() if file.name != "toc.dat"), key=lambda file: file.stat().st_size)


@pytest.mark.guide("G99", "G100", "silent")
@pytest.mark.parametrize("way", WAYS)
def test_a_good_dump_is_read_whole(taken: Dumped, way: str) -> None:
    """What is in it, what is not, and whether a bent byte would show."""
    looked = look(taken.folder / way)
    proven = ADVISORY if "," in way else OK
    assert levels(looked) == ALL_OK | {"integrity": proven}
    whole = found(looked, "completion").detail
    assert "of database dumped, server 1" in whole
    for missing in ("files of Storage", "settings of Auth", "code of functions", "roles", "no recovery"):
        assert missing in whole
    assert found(looked, "integrity").detail.startswith("the data of 3 tables, read from the first byte to the last")
    assert ("a bent byte would not show" in found(looked, "integrity").detail) is (proven is ADVISORY)
    samples = {sample.metric: sample.value for sample in looked.samples}
    assert samples["dump_bytes"] > 10_000
    assert 0 <= samples["dump_age"] < 1
    assert {finding.guide for finding in looked.findings} == {"G99", "G100"}


def cut(file: Path) -> None:
    """The second half is gone."""
    os.truncate(file, file.stat().st_size // 2)


def flip(file: Path) -> None:
    """One bit in the middle is another."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def empty(dump: Path) -> None:
    """Every data file is there, and has nothing in it."""
    for file in dump.glob("*.dat.gz"):
        os.truncate(file, 0)


@pytest.mark.guide("G100", "fires", "silent")
@pytest.mark.parametrize(
    ("way", "spoil", "said"),
    [
        ("custom", cut, "end of file"),
        ("custom", flip, "pg_restore: error: "),
        ("custom, not compressed", cut, "end of file"),
        ("directory", lambda dump: cut(biggest(dump)), "could not close data file"),
        ("directory", lambda dump: flip(biggest(dump)), "pg_restore: error: "),
        ("directory", lambda dump: biggest(dump).unlink(), "No such file"),
        ("directory", lambda dump: os.truncate(biggest(dump), 0), "the data of 1 of 3 tables does not come to its end"),
        ("directory", empty, "the data of 3 of 3 tables does not come to its end"),
        ("directory", lambda dump: cut(dump / "toc.dat"), "its table of contents cannot be read"),
        ("directory, not compressed", lambda dump: cut(biggest(dump)), "the data of 1 of 3 tables"),
        ("directory, lz4", lambda dump: cut(biggest(dump)), "the data of 1 of 3 tables"),
        ("directory, zstd", lambda dump: cut(biggest(dump)), "the data of 1 of 3 tables"),
    ],
)
def test_a_dump_that_is_not_whole_is_critical(
    copied: Callable[[str], Path], way: str, spoil: Callable[[Path], object], said: str
) -> None:
    """Also where pg_restore itself is content: cut off without gzip, or empty."""
    dump = copied(way)
    good = levels(look(dump.parent))
    spoil(dump)
    looked = look(dump.parent)
    assert levels(looked) == good | {"integrity": CRITICAL}
    assert said in found(looked, "integrity").detail
    assert found(looked, "integrity").remedy
    shutil.rmtree(dump.parent)
    copied(way)
    assert levels(look(dump.parent)) == good


@pytest.mark.guide("G99", "fires", "silent")
def test_the_age_is_that_of_its_beginning(copied: Callable[[str], Path]) -> None:
    """By its header, whatever its files' times say; in the time zone of config; a time to come is UNKNOWN."""
    dump = copied("custom")
    begun = find(dump.parent, ZoneInfo("UTC"), datetime.now(UTC))[-1].begun_at
    assert abs(datetime.now(UTC) - begun) < timedelta(minutes=10)
    for hours, expected in ((26, OK), (26.1, WARNING), (50, WARNING), (50.1, CRITICAL)):
        assert found(look(dump.parent, begun + timedelta(hours=hours)), "age").level is expected, hours
    os.utime(dump, (2_000_000_000, 2_000_000_000))
    assert found(look(dump.parent, begun + timedelta(hours=60)), "age").level is CRITICAL
    assert "which is still to come" in found(look(dump.parent, time_zone="America/New_York"), "age").detail
    assert found(look(dump.parent, begun + timedelta(hours=25.5), time_zone="Asia/Tokyo"), "age").level is WARNING


def test_a_dump_that_was_written_before_it_was_begun_has_no_age(copied: Callable[[str], Path]) -> None:
    """Its header is of another time zone than config says: UNKNOWN, and neither young nor old."""
    dump = copied("custom")
    before = (datetime.now(UTC) - timedelta(hours=5)).timestamp()
    os.utime(dump, (before, before))
    looked = look(dump.parent)
    age = found(looked, "age")
    assert age.level is UNKNOWN
    assert "was last written before it was begun" in age.detail
    assert "dumps.time_zone" in age.remedy
    assert {sample.metric for sample in looked.samples} == {"dump_bytes"}


@pytest.mark.guide("G99", "fires", "silent")
def test_a_dump_that_shrank_is_found(copied: Callable[[str], Path], taken: Dumped) -> None:
    """Less than half of the middle one before it warns; less than the least is critical, whatever came before."""
    dump = copied("custom")
    assert found(look(dump.parent), "size").level is OK
    Dumped(taken.dsn, dump.parent).take("2026-11-30", "-Fc", "--exclude-table-data=public.payloads")
    looked = look(dump.parent)
    assert levels(looked) == ALL_OK | {"size": WARNING}
    assert "50 % of those before it" in found(looked, "size").expected
    assert levels(look(dump.parent, least_percent=1)) == ALL_OK
    assert levels(look(dump.parent, min_bytes=10_000_000)) == ALL_OK | {"size": CRITICAL}


@pytest.mark.guide("G99", "fires", "silent")
@pytest.mark.parametrize("way", ["custom", "directory"])
def test_a_dump_that_is_under_way_is_no_finished_one(copied: Callable[[str], Path], taken: Dumped, way: str) -> None:
    """While pg_dump waits for a lock, and a minute after its last byte, the dump before it is judged."""
    older = copied("custom")
    newer = older.with_name("2026-11-30.dump")
    rested = (datetime.now(UTC) - RESTED).timestamp()
    os.utime(older, (rested, rested))
    with psycopg.connect(taken.dsn) as holder:
        holder.execute("LOCK TABLE payloads")
        dumping = Dumped(taken.dsn, older.parent).begin(newer.name, *WAYS[way])
        try:
            until(lambda: waits(taken.dsn))
            named = {"unfinished": ADVISORY} if newer.is_file() else {}  # else it has no file yet
            assert levels(look(older.parent)) == ALL_OK | named
            assert found(look(older.parent), "completion").detail.startswith(f"{older.name}: ")
        finally:
            holder.rollback()
            dumping.communicate()
    just_now = look(older.parent, datetime.now(UTC))
    assert levels(just_now) == ALL_OK | {"unfinished": ADVISORY}
    assert found(just_now, "unfinished").detail.startswith(f"{newer.name}, begun ")
    assert levels(look(older.parent)) == ALL_OK
    assert found(look(older.parent), "completion").detail.startswith(f"{newer.name}: ")


def waits(dsn: str) -> bool:
    """Whether pg_dump waits for a lock."""
    with psycopg.connect(dsn) as session:
        waiting = "SELECT FROM pg_stat_activity WHERE application_name = 'pg_dump' AND wait_event_type = 'Lock'"
        return session.execute(waiting).rowcount > 0


@pytest.mark.guide("G99", "fires", "silent")
def test_a_dump_that_was_broken_off_is_named(copied: Callable[[str], Path]) -> None:
    """A name that says so, or data without a table of contents; after six hours it is a warning."""
    dump = copied("directory")
    for left in (dump.with_name("2026-11-30.partial"), dump.with_name("2026-11-30")):
        shutil.copytree(dump, left)
        if not left.suffix:
            (left / "toc.dat").unlink()
        assert levels(look(dump.parent)) == ALL_OK | {"unfinished": ADVISORY}
        late = look(dump.parent, datetime.now(UTC) + timedelta(hours=7))
        assert levels(late) == ALL_OK | {"unfinished": WARNING}
        shutil.rmtree(left)
    assert levels(look(dump.parent)) == ALL_OK
    (dump / "toc.dat").unlink()
    looked = look(dump.parent)
    assert levels(looked) == {"completion": CRITICAL}
    assert looked.findings[0].detail.endswith("; unfinished: 2026-11-29")


@pytest.mark.guide("G99", "fires", "silent")
def test_a_dump_of_another_database_counts_for_nothing(
    copied: Callable[[str], Path], taken: Dumped, cluster: Cluster
) -> None:
    """The other database's goes on while the target's has stopped; alone it is named. Unknown is not the target's."""
    dump = copied("custom")
    begun = find(dump.parent, ZoneInfo("UTC"), datetime.now(UTC))[-1].begun_at
    later = datetime.now(UTC) + RESTED
    with database(cluster, "crm") as dsn:
        Dumped(dsn, dump.parent).take("2026-11-30", "-Fc")
    looked = look(dump.parent, later, min_bytes=0)
    assert levels(looked) == ALL_OK
    assert "of database dumped" in found(looked, "completion").detail
    assert levels(look(dump.parent, begun + timedelta(hours=51)))["age"] is CRITICAL
    dump.unlink()
    alone = look(dump.parent)
    assert levels(alone) == {"completion": CRITICAL}
    assert "found no finished dump by pg_dump of database dumped" in found(alone, "completion").detail
    assert found(alone, "completion").detail.endswith("; there are dumps of crm")
    unknown = look(dump.parent, database="", min_bytes=0)
    assert levels(unknown)["completion"] is UNKNOWN


@pytest.mark.guide("G99", "fires")
def test_without_any_dump_it_is_critical(tmp_path: Path) -> None:
    """No folder, an empty one, and one that holds something else."""
    assert found(look(tmp_path / "nowhere"), "completion").detail == f"found no folder {tmp_path / 'nowhere'}"
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "README").write_text("Dumps come here.")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "notes.txt").write_text("none")
    assert levels(look(tmp_path)) == {"completion": CRITICAL}


@pytest.mark.guide("G99", "fires", "silent")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda dump: dump.write_bytes(gzip.compress(dump.read_bytes())), "compressed as a whole by gzip"),
        (lambda dump: dump.write_bytes(b"age-encryption.org/v1\n..."), "encrypted by age"),
        (lambda dump: dump.rename(dump.with_suffix(".gpg")).write_bytes(b"\x85\x02\x0c..."), "encrypted by PGP"),
        (lambda dump: dump.write_bytes(b"PGDMP\x01\x11\x00..."), "of archive version 1.17, expected 1.12"),
    ],
)
def test_a_dump_that_nobody_here_can_read_is_unknown(
    copied: Callable[[str], Path], make: Callable[[Path], object], said: str
) -> None:
    """Alone, and beside an older one, which is judged all the same."""
    older = copied("directory")
    newer = older.with_name("2026-11-30")
    shutil.copy(copied("custom"), newer)
    assert levels(look(older.parent)) == ALL_OK
    make(newer)
    later = (datetime.now(UTC) + timedelta(hours=2)).timestamp()
    for file in older.parent.glob("2026-11-30*"):
        os.utime(file, (later, later))
    looked = look(older.parent)
    assert levels(looked) == ALL_OK | {"readable": UNKNOWN}
    assert said in found(looked, "readable").detail
    shutil.rmtree(older)
    assert levels(look(older.parent)) == {"readable": UNKNOWN}


@pytest.mark.guide("G99", "silent")
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("globals.sql", b"--\n-- PostgreSQL database cluster dump\n--\n"),
        ("2026-11-29.asc", b"-----BEGIN PGP SIGNATURE-----\n"),
        ("2026-11-29.log.gz", gzip.compress(b"pg_dump: dumping contents", mtime=0)),
        ("SUCCESS", b""),
        ("2026-11-29.sql", b"--\n-- PostgreSQL database dump\n--\n"),
    ],
)
def test_what_a_job_puts_beside_a_dump_alarms_nobody(copied: Callable[[str], Path], name: str, content: bytes) -> None:
    """Roles, a signature, a log, a marker, the same in another form."""
    dump = copied("custom")
    dump.with_name(name).write_bytes(content)
    assert levels(look(dump.parent)) == ALL_OK


@pytest.mark.parametrize("words", [("--format=plain",), ("--format=tar",)])
def test_other_formats_of_pg_dump_are_unknown(taken: Dumped, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Plain SQL and tar are what pg_dump writes too, and are not read."""
    Dumped(taken.dsn, tmp_path).take("dump", *words)
    looked = look(tmp_path)
    assert levels(looked) == {"readable": UNKNOWN}
    assert ("plain SQL" in looked.findings[0].detail) is ("plain" in words[0])


def test_a_dump_by_inserts_says_that_its_ends_do_not_show(taken: Dumped, tmp_path: Path) -> None:
    """There is no end mark to look for."""
    Dumped(taken.dsn, tmp_path).take("dump", "-Fc", "--inserts")
    looked = look(tmp_path)
    assert levels(looked) == ALL_OK | {"integrity": ADVISORY}
    assert "none has an end mark" in found(looked, "integrity").detail


@pytest.mark.guide("G100", "fires")
def test_a_dump_without_rows_of_any_table_is_a_warning(taken: Dumped, tmp_path: Path) -> None:
    """It is whole, and brings nothing back."""
    Dumped(taken.dsn, tmp_path).take("dump", "-Fc", "--schema-only")
    looked = look(tmp_path)
    assert levels(looked) == ALL_OK | {"integrity": WARNING}
    assert "no data of any table" in found(looked, "integrity").detail
    assert "--schema-only" in found(looked, "integrity").remedy


def test_large_objects_are_named_for_they_have_no_end_mark(cluster: Cluster, tmp_path: Path) -> None:
    """One without its bytes would not show."""
    with database(cluster, "large") as dsn:
        with psycopg.connect(dsn, autocommit=True) as admin:
            admin.execute(MORE.encode())
            admin.execute("SELECT lo_from_bytea(0, 'some bytes')")
        Dumped(dsn, tmp_path).take("dump", "-Fd")
        looked = look(tmp_path, database="large")
    assert levels(looked) == ALL_OK | {"integrity": ADVISORY}
    assert "large objects have no end mark" in found(looked, "integrity").detail


@pytest.mark.guide("G99", "silent")
def test_an_odd_entry_of_the_folder_blinds_no_look(copied: Callable[[str], Path]) -> None:
    """A pipe, a link to itself, a folder whose table of contents is a pipe: nobody waits for one."""
    dump = copied("custom")
    os.mkfifo(dump.with_name("pipe"))
    dump.with_name("loop").symlink_to("loop")
    dump.with_name("odd").mkdir()
    os.mkfifo(dump.with_name("odd") / "toc.dat")
    rested = datetime.now(UTC).timestamp() - 3600
    os.utime(dump.with_name("odd") / "toc.dat", (rested, rested))
    assert levels(look(dump.parent)) == ALL_OK


@pytest.mark.guide("G99", "fires", "silent")
@pytest.mark.parametrize("kept", [3, 12, 40])
def test_a_header_that_is_cut_off_is_critical(copied: Callable[[str], Path], kept: int) -> None:
    """As far as it can be told a dump, it is a bad one."""
    dump = copied("custom")
    whole = dump.read_bytes()
    dump.write_bytes(b"PGDMP" + whole[5 : 5 + kept])
    looked = look(dump.parent)
    assert levels(looked) == ALL_OK | {"completion": CRITICAL, "age": UNKNOWN, "size": CRITICAL, "integrity": CRITICAL}
    assert "its header is not what pg_dump writes" in found(looked, "completion").detail
    dump.write_bytes(whole)
    assert levels(look(dump.parent)) == ALL_OK


@pytest.mark.guide("G100", "fires")
def test_the_program_is_missing_older_or_too_slow(taken: Dumped, tmp_path: Path) -> None:
    """Each is UNKNOWN with its reason and the setting; what needs no program is judged all the same."""
    folder = taken.folder / "custom"
    missing = look(folder, verify_program="pg_restore_that_is_not_there")
    assert levels(missing) == ALL_OK | {"integrity": UNKNOWN}
    assert "found no program" in found(missing, "integrity").detail
    program = tmp_path / "program"

    def instead(script: str, seconds: float = 60) -> Finding:
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
        looked = look(folder, verify_program=str(program), verify_timeout_seconds=seconds)
        assert levels(looked) == ALL_OK | {"integrity": found(looked, "integrity").level}
        return found(looked, "integrity")

    version = '[ "$1" = --version ] && echo "pg_restore (PostgreSQL) 99.1" && exit'
    older = instead(version.replace("99", "12"))
    assert (older.level, "expected one of major" in older.detail) == (UNKNOWN, True)
    lists = f'{version}\n[ "$1" = --list ] && exit'
    assert "did not end within 0.5 s" in instead(f"{version}\nexec sleep 600", 0.5).detail
    assert "did not end within 0.5 s" in instead(f"{lists}\nexec sleep 600", 0.5).detail
    for own in (
        'could not open input file "x": Permission denied',
        "this build does not support compression with zstd",
    ):
        for begins in (version, lists):
            refused = instead(f"{begins}\necho 'pg_restore: error: {own}' >&2; exit 1")
            assert (refused.level, own in refused.detail) == (UNKNOWN, True), own
    killed = instead(f"{lists}\nkill -9 $$")
    assert (killed.level, "ended with -9" in killed.detail) == (UNKNOWN, True)
    assert "verify_timeout_seconds" in killed.remedy
    program.write_bytes(b"\x7fELF nonsense")
    assert "could not be run" in found(look(folder, verify_program=str(program)), "integrity").detail


@pytest.mark.guide("G99", "fires", "silent")
def test_room_that_would_not_hold_the_next_dump_is_found(copied: Callable[[str], Path]) -> None:
    """As large as the newest of the target's database; another's counts for nothing."""
    dump = copied("custom")
    config = Dumps(folder=dump.parent)

    def told(database: str) -> list[tuple[str, Level]]:
        found = room.look_at_room(None, config, database, datetime.now(UTC) + RESTED)
        return [(one.key, one.level) for one in found]

    ample, scarce = [("backups:room:dumps", OK)], [("backups:room:dumps", WARNING)]
    assert told("dumped") == told("") == ample
    size = dump.stat().st_size
    os.truncate(dump, shutil.disk_usage(dump).free * 2)
    assert told("dumped") == told("") == scarce
    assert told("other") == []
    os.truncate(dump, size)
    assert told("dumped") == ample
