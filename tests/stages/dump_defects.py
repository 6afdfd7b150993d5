"""Defects of dumps, drawn by chance, and what must catch each: the daily look, or where that cannot a restoration."""

from __future__ import annotations

import gzip
import os
import random
import re
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sandbox.dumps import begun_earlier
from sandbox.postgres import bin_dir
from upkeep.areas.backups.dump_files import TOC
from upkeep.areas.backups.dump_look import look_at_dumps
from upkeep.core.findings import Finding, Level
from upkeep.settings.backups import Dumps

CRITICAL, WARNING, UNKNOWN = Level.CRITICAL, Level.WARNING, Level.UNKNOWN
COMPRESSIONS = ("gzip", "none", "lz4", "zstd")
#: A dump counts as one that is being written for a minute.
RESTED = timedelta(minutes=2)
#: Bytes of gzip's own header that say nothing of the data: flags, time, system.
_GZIP_HEADER = 10
#: Where a dump's first bytes say what it is: cut off before that there is no header.
_HEADER = 40
#: Ends of a table's data that is not compressed: its end mark, and two empty lines that say nothing.
_END = len("\\.\n\n\n")


@dataclass(frozen=True)
class Defect:
    """What is wrong with a dump of one way, and the finding (aspect, level, words in its detail) that must say so.

    ``spoil`` is given the dump and the folder of all ways. ``hours`` have passed since; ``database`` is the target's.
    """

    kind: str
    way: str
    key: str
    says: str
    spoil: Callable[[Path, Path], object]
    level: Level = CRITICAL
    hours: float = 0
    database: str = "dumped"

    @property
    def weekly(self) -> bool:
        """Whether only a restoration can see it."""
        return self.key.startswith("restoration:")


Draw = Callable[[random.Random], Defect]


def looked(folder: Path, database: str, hours: float = 0, program: Path | None = None) -> Sequence[Finding]:
    """What the daily look says so many hours later, when the dump rests."""
    config = Dumps(folder=folder, verify_program=str(program or bin_dir() / "pg_restore"))
    return look_at_dumps(config, datetime.now(UTC) + RESTED + timedelta(hours=hours), database).findings


def named(findings: Sequence[Finding], defect: Defect) -> str:
    """The key of the finding that names the defect; empty where none does."""
    of_it = (
        one for one in findings if (one.key, one.level) == (defect.key, defect.level) and defect.says in one.detail
    )
    return next((one.key for one in of_it), "")


def caught_by(good: Path, scratch: Path, defect: Defect) -> str:
    """The key of the daily finding that names a defect of a copy of one of ``good``'s dumps."""
    folder = scratch / "spoilt"
    shutil.copytree(good / defect.way, folder)
    try:
        (dump,) = folder.iterdir()
        before = looked(folder, "dumped")
        assert [one.key for one in before if one.level not in (Level.OK, Level.ADVISORY)] == [], defect.way
        defect.spoil(dump, good)
        return named(looked(folder, defect.database, defect.hours), defect)
    finally:
        shutil.rmtree(folder)


def as_sql(dump: Path) -> tuple[int, bytes]:
    """What pg_restore makes of a dump."""
    done = subprocess.run([bin_dir() / "pg_restore", "--file=-", dump], capture_output=True, check=False)
    return done.returncode, re.sub(rb"(?m)^\\(un)?restrict .*\n", b"", done.stdout)  # a word that is new each time


def _harmful(file: Path, dump: Path, draw: Callable[[bytes], bytes]) -> None:
    """Write what is drawn; what restores to the same, byte for byte, is no defect, and is drawn once more."""
    whole, before = file.read_bytes(), as_sql(dump)
    while as_sql(dump) == before:
        file.write_bytes(draw(whole))


def _files(dump: Path) -> list[Path]:
    """Data files of the directory format."""
    return sorted(file for file in dump.iterdir() if file.name != TOC)


def _tables(dump: Path) -> list[Path]:
    """Those with rows."""
    return sorted(_files(dump), key=lambda file: file.stat().st_size)[1:]


def _flipped(whole: bytes, rng: random.Random, first: int) -> bytes:
    at = rng.randrange(first, len(whole))
    return whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :]


# What the daily look can tell --------------------------------------------------------------------------------------


def cut_custom(rng: random.Random) -> Defect:
    """Anywhere behind its header."""
    way = f"custom {rng.choice(COMPRESSIONS)}"
    share = rng.random()
    return Defect(
        "a truncated dump, custom format",
        way,
        "backups:dumps:integrity",
        "end of file",
        lambda dump, _: os.truncate(dump, 200 + int(share * (dump.stat().st_size - 201))),
    )


def cut_table(rng: random.Random) -> Defect:
    compression = rng.choice(COMPRESSIONS)

    def spoil(dump: Path, _: Path) -> None:
        file = rng.choice(_tables(dump))
        _harmful(file, dump, lambda whole: whole[: rng.randrange(1, len(whole) - _END)])

    says = "could not" if compression == "gzip" else "does not come to its end"
    return Defect(
        f"a truncated table file, {compression}", f"directory {compression}", "backups:dumps:integrity", says, spoil
    )


def empty_table(rng: random.Random) -> Defect:
    way = f"directory {rng.choice(COMPRESSIONS)}"
    spoil = lambda dump, _: os.truncate(rng.choice(_files(dump)), 0)  # noqa: E731  (what is done later, as a value)
    return Defect("an empty table file", way, "backups:dumps:integrity", "the data of 1 of 3 tables", spoil)


def missing_table(rng: random.Random) -> Defect:
    way = f"directory {rng.choice(COMPRESSIONS)}"
    spoil = lambda dump, _: rng.choice(_files(dump)).unlink()  # noqa: E731  (what is done later, as a value)
    return Defect("a missing table file", way, "backups:dumps:integrity", "No such file", spoil)


def flipped_table(rng: random.Random) -> Defect:
    def spoil(dump: Path, _: Path) -> None:
        _harmful(rng.choice(_tables(dump)), dump, lambda whole: _flipped(whole, rng, _GZIP_HEADER))

    return Defect("a flipped bit of a table file", "directory gzip", "backups:dumps:integrity", "", spoil)


def flipped_custom(rng: random.Random) -> Defect:
    """Behind the table of contents, which has no checksum."""

    def spoil(dump: Path, good: Path) -> None:
        first = (good / "directory gzip" / dump.name / TOC).stat().st_size
        _harmful(dump, dump, lambda whole: _flipped(whole, rng, first))

    return Defect("a flipped bit, custom format", "custom gzip", "backups:dumps:integrity", "", spoil)


def cut_contents(rng: random.Random) -> Defect:
    way, share = f"directory {rng.choice(COMPRESSIONS)}", rng.random()
    says = "its table of contents cannot be read"

    def spoil(dump: Path, _: Path) -> None:
        size = (dump / TOC).stat().st_size
        os.truncate(dump / TOC, 200 + int(share * (size - 201)))

    return Defect("a truncated table of contents", way, "backups:dumps:integrity", says, spoil)


def cut_header(rng: random.Random) -> Defect:
    way, left = rng.choice(("custom gzip", "directory gzip")), rng.randrange(5, _HEADER)
    says = "its header is not what pg_dump writes"

    def spoil(dump: Path, _: Path) -> None:
        os.truncate(dump if dump.is_file() else dump / TOC, left)

    return Defect("a truncated header", way, "backups:dumps:completion", says, spoil)


def unfinished(rng: random.Random) -> Defect:
    """By its name, or without a table of contents, which pg_dump writes last."""
    way, by_name = f"directory {rng.choice(COMPRESSIONS)}", rng.random() < 0.5

    def spoil(dump: Path, _: Path) -> None:
        dump.rename(dump.with_suffix(".partial")) if by_name else (dump / TOC).unlink()

    return Defect("an unfinished dump", way, "backups:dumps:completion", "; unfinished: ", spoil)


def stale(rng: random.Random) -> Defect:
    """None was made since; critical is what is older than config allows."""
    way = f"{rng.choice(('custom', 'directory'))} gzip"
    hours = rng.uniform(51, 10_000)
    return Defect("a stale dump", way, "backups:dumps:age", " h ago", lambda dump, _: None, hours=hours)


def stale_in_fresh_files(rng: random.Random) -> Defect:
    """An old dump, copied anew each day: its header tells."""
    way, older = f"{rng.choice(('custom', 'directory'))} gzip", timedelta(hours=rng.uniform(51, 10_000))

    def spoil(dump: Path, _: Path) -> None:
        file = dump if dump.is_file() else dump / TOC
        file.write_bytes(begun_earlier(file.read_bytes(), older))

    return Defect("a stale dump in fresh files", way, "backups:dumps:age", " h ago", spoil)


def foreign(rng: random.Random) -> Defect:
    way, other = f"custom {rng.choice(COMPRESSIONS)}", f"shop_{rng.randrange(10**6)}"
    says = f"found no finished dump by pg_dump of database {other}"
    keep: Callable[[Path, Path], object] = lambda dump, _: None  # noqa: E731  (what is done later, as a value)
    return Defect("a dump of another database", way, "backups:dumps:completion", says, keep, database=other)


def without_rows(rng: random.Random) -> Defect:
    """Its tables are there, and none has data."""

    def spoil(dump: Path, good: Path) -> None:
        dump.unlink()
        shutil.copy(good.parent / "without rows", dump)

    says = "no data of any table"
    return Defect("a dump without rows", "custom gzip", "backups:dumps:integrity", says, spoil, WARNING)


def shrunk(rng: random.Random) -> Defect:
    """Those before it were larger."""

    def spoil(dump: Path, good: Path) -> None:
        shutil.copy(good / "custom none" / dump.name, dump.with_name("earlier"))
        file = dump.with_name("earlier")
        file.write_bytes(begun_earlier(file.read_bytes(), timedelta(hours=24)))

    says = " kB"
    return Defect("a dump that shrank", "custom gzip", "backups:dumps:size", says, spoil, WARNING)


def unreadable(rng: random.Random) -> Defect:
    said, begins = rng.choice(
        (
            ("compressed as a whole by gzip", b""),
            ("encrypted by age", b"age-encryption.org/v1\n"),
            ("encrypted by OpenSSL", b"Salted__"),
            ("of archive version 1.17", b"PGDMP\x01\x11\x00"),
        )
    )
    spoil = lambda dump, _: dump.write_bytes(begins + dump.read_bytes() if begins else gzip.compress(dump.read_bytes()))  # noqa: E731  (a value)
    return Defect("a dump that nobody here can read", "custom gzip", "backups:dumps:readable", said, spoil, UNKNOWN)


DAILY: tuple[Draw, ...] = (
    cut_custom,
    cut_table,
    empty_table,
    missing_table,
    flipped_table,
    flipped_custom,
    cut_contents,
    cut_header,
    unfinished,
    stale,
    stale_in_fresh_files,
    foreign,
    without_rows,
    shrunk,
    unreadable,
)

# What is whole, and is not what the target held: of a dump that is not compressed -------------------------------------


def _of(dump: Path, begins: bytes) -> Path:
    """The data file of a table whose rows begin so."""
    return next(file for file in _files(dump) if file.read_bytes().startswith(begins))


def _rewrite(dump: Path, begins: bytes, change: Callable[[list[bytes]], list[bytes]]) -> None:
    """Other lines in the data file of the table whose rows begin so."""
    file = _of(dump, begins)
    file.write_bytes(b"".join(change(file.read_bytes().splitlines(keepends=True))))


def lost_rows(rng: random.Random) -> Defect:
    """Some lines of the log are cut out."""

    def spoil(dump: Path, _: Path) -> None:
        first = rng.randrange(20, 300)  # of the settled week: one row comes each half hour, the newest first
        _rewrite(dump, b"1\t2", lambda rows: rows[:first] + rows[first + rng.randrange(1, 20) :])

    says = "the target has not changed them since"
    return Defect("rows cut out of a log", "directory none", "restoration:dump:contents", says, spoil)


def bent_row(rng: random.Random) -> Defect:
    """A letter of the log is another one."""

    def spoil(dump: Path, _: Path) -> None:
        at = rng.randrange(100, 300)
        _rewrite(dump, b"1\t2", lambda rows: [*rows[:at], rows[at].replace(b"failed", b"failee"), *rows[at + 1 :]])

    says = "the target has not changed them since"
    return Defect("a bent letter of a log", "directory none", "restoration:dump:contents", says, spoil)


def doubled_row(rng: random.Random) -> Defect:
    """A key that is there twice cannot be restored."""

    def spoil(dump: Path, _: Path) -> None:
        def doubled(rows: list[bytes]) -> list[bytes]:
            at = rng.randrange(len(rows) - 3)
            return rows[: at + 1] + rows[at:]

        _rewrite(dump, b"1\tc4ca", doubled)

    says = "could not create unique index"
    return Defect("a row that is there twice", "directory none", "restoration:dump", says, spoil)


def exchanged(rng: random.Random) -> Defect:
    """Two tables' files took each other's place."""

    def spoil(dump: Path, _: Path) -> None:
        one, other = _of(dump, b"1\t2"), _of(dump, b"1\tc4ca")
        first, second = one.read_bytes(), other.read_bytes()
        one.write_bytes(second)
        other.write_bytes(first)

    return Defect("table files exchanged", "directory none", "restoration:dump", "COPY failed for table", spoil)


WEEKLY: tuple[Draw, ...] = (lost_rows, doubled_row, bent_row, exchanged)
