"""Dumps as pg_dump leaves them, custom format (one file) or directory format: found, and read as far as their header.

Source: PostgreSQL's pg_backup_archiver.c (ReadHead), the same from PostgreSQL 9.5 to 18 but for the compression.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from zoneinfo import ZoneInfo

from upkeep.areas.backups.files import BEING_COPIED, BackupError

TOC = "toc.dat"
_MAGIC = b"PGDMP"
#: What data files of the directory format are called, and what one that is not compressed is.
_DATA = re.compile(r"(\d+|blobs?_.*)\.(dat|toc)(\.(gz|lz4|zst))?")
#: What the name of an empty file ends with that pg_dump has just begun.
_SUFFIXES = (".dump", ".dmp", ".pgdump", ".backup", ".bak", ".custom", ".pgc")
#: How files begin that jobs put beside a dump: roles by pg_dumpall --globals-only, a signature.
_COMPANION = (b"--\n-- PostgreSQL database cluster dump", b"-----BEGIN PGP SIGNATURE")
_PARTIAL = (".partial", ".part", ".tmp")
#: Archive versions that Upkeep reads: PostgreSQL 9.5 to 18; from the second on compression has a name.
_OLDEST, _NAMES_COMPRESSION, _NEWEST = (1, 12), (1, 15), (1, 16)
_COMPRESSIONS = ("none", "gzip", "lz4", "zstd")
_CUSTOM, _TAR = 1, 3  # toc.dat of the directory format says tar
_HEADER_BYTES = 4096
#: How a file begins, or what its name ends with, that may hold a dump and that nobody can read here.
_FOREIGN = (
    (b"-----BEGIN PGP", (".gpg", ".pgp", ".asc"), "encrypted by PGP"),
    (b"age-encryption.org", (".age",), "encrypted by age"),
    (b"Salted__", (".enc",), "encrypted by OpenSSL"),
    (b"\x1f\x8b", (), "compressed as a whole by gzip"),
    (b"\x28\xb5\x2f\xfd", (), "compressed as a whole by Zstandard"),
    (b"\xfd7zXZ\x00", (), "compressed as a whole by xz"),
    (b"BZh", (), "compressed as a whole by bzip2"),
    (b"--\n-- PostgreSQL database", (), "plain SQL"),
    (b"toc.dat\0", (), "in the tar format"),
)


class State(StrEnum):
    """What a dump can be read as."""

    FINISHED = "finished"
    UNFINISHED = "unfinished"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class Header:
    """What a dump says of itself; ``begun_at`` by the clock and in the time zone of the host where pg_dump ran."""

    begun_at: datetime
    database: str
    server: str
    dumped_by: str
    compression: str


@dataclass(frozen=True)
class Dump:
    """One dump. ``said`` is why a finished one has no header, or what a foreign one is.

    A dump counts as unfinished while its name says so, it has no table of contents, or it was written a minute ago.
    """

    path: Path
    state: State
    changed_at: datetime
    size: int
    header: Header | None = None
    said: str = ""

    @property
    def begun_at(self) -> datetime:
        """When it was begun; for one without a header when it was last written, which is later."""
        return self.header.begun_at if self.header else self.changed_at


def find(folder: Path, zone: ZoneInfo, now: datetime) -> list[Dump]:
    """The dumps of a folder, the newest last. Raises OSError when it cannot be read."""
    found = [one for path in folder.iterdir() if (one := _dump(path, zone, now))]
    return sorted(found, key=lambda one: (one.begun_at, one.path.name))


def may_be_of(dump: Dump, database: str) -> bool:
    """Whether a dump is of a database, or does not say of which it is; an empty name is that of any."""
    return not database or dump.header is None or dump.header.database == database


def _dump(path: Path, zone: ZoneInfo, now: datetime) -> Dump | None:
    """One entry of the folder as a dump; None where it is something else, or is gone meanwhile."""
    if path.name.startswith(".") or path.name == "lost+found":
        return None
    try:
        files = [path] if path.is_file() else list(_files_in(path))
        stats = [file.stat() for file in files]
        first = _beginning(path if path.is_file() else path / TOC) if files else b""
    except FileNotFoundError:
        return None
    except OSError as error:
        return Dump(path, State.FOREIGN, _changed(path), 0, said=f"not to be read here: {error.strerror}")
    if not files or (not first and _is_marker(path)):
        return None
    changed = datetime.fromtimestamp(max(stat.st_mtime for stat in stats), UTC)
    size = sum(stat.st_size for stat in stats)
    if not first or path.suffix in _PARTIAL:
        return Dump(path, State.UNFINISHED, changed, size)
    if not first.startswith(_MAGIC):
        what = _foreign(path, first)
        return Dump(path, State.FOREIGN, changed, size, said=what) if what else None
    state = State.UNFINISHED if abs(now - changed) < BEING_COPIED else State.FINISHED
    try:
        return Dump(path, state, changed, size, read_header(first, zone))
    except NewerArchiveError as error:
        return Dump(path, State.FOREIGN, changed, size, said=str(error))
    except BackupError as error:
        return Dump(path, state, changed, size, said=str(error))


def _is_marker(path: Path) -> bool:
    """Whether an empty file is a job's own, by its name, and no dump that pg_dump has just begun."""
    return path.is_file() and path.suffix not in (*_SUFFIXES, *_PARTIAL)


def _foreign(path: Path, first: bytes) -> str:
    """What a file is that may hold a dump which nobody can read here; empty for what is something else."""
    if first.startswith(_COMPANION) or path.name.endswith(".log.gz"):
        return ""
    return next((what for how, ends, what in _FOREIGN if first.startswith(how) or path.suffix in ends), "")


def _changed(path: Path) -> datetime:
    """When an entry itself was last changed."""
    return datetime.fromtimestamp(path.lstat().st_mtime, UTC)


def _files_in(folder: Path) -> Iterator[Path]:
    """The files of a dump in the directory format; none of any other folder."""
    if folder.is_dir():
        yield from (Path(file) for file in os.scandir(folder) if file.name == TOC or _DATA.fullmatch(file.name))


def _beginning(file: Path) -> bytes:
    """The first bytes of a file, none where it is not there yet, or is a pipe or the like, which would not end."""
    if not file.is_file():
        return b""
    with file.open("rb") as opened:
        return opened.read(_HEADER_BYTES)


class NewerArchiveError(BackupError):
    """A dump of a pg_dump that came after this release."""


def read_header(first: bytes, zone: ZoneInfo) -> Header:
    """Read what stands before the table of contents. Raises BackupError, NewerArchiveError."""
    source = BytesIO(first)
    source.read(len(_MAGIC))
    try:
        version = (_byte(source), _byte(source))
        source.read(1)  # its revision
        if version > _NEWEST or version < _OLDEST:
            said = "expected 1.12 (PostgreSQL 9.5) to 1.16 (PostgreSQL 18)"
            raise NewerArchiveError(f"of archive version {version[0]}.{version[1]}, {said}")
        width, _, form = _byte(source), _byte(source), _byte(source)
        if form not in (_CUSTOM, _TAR):
            raise BackupError(f"its header says format {form}, expected custom or directory")
        told = _byte(source) if version >= _NAMES_COMPRESSION else min(abs(_integer(source, width)), 1)
        second, minute, hour, day, month, year, summer = (_integer(source, width) for _ in range(7))
        moment = datetime(year + 1900, month + 1, day, hour, minute, second, tzinfo=zone, fold=0 if summer > 0 else 1)
        database, server, dumped_by = (_text(source, width) for _ in range(3))
        return Header(moment.astimezone(UTC), database, server, dumped_by, _COMPRESSIONS[told])
    except (EOFError, ValueError, IndexError, OverflowError) as error:
        if isinstance(error, BackupError):
            raise
        raise BackupError(f"its header is not what pg_dump writes: {error or 'it is cut off'}") from None


def _byte(source: BytesIO) -> int:
    read = source.read(1)
    if not read:
        raise EOFError
    return read[0]


def _integer(source: BytesIO, width: int) -> int:
    """A sign, then so many bytes, the least first."""
    sign = _byte(source)
    value = int.from_bytes(bytes(_byte(source) for _ in range(width)), "little")
    return -value if sign else value


def _text(source: BytesIO, width: int) -> str:
    length = max(_integer(source, width), 0)
    if length > _HEADER_BYTES:
        raise ValueError(f"a text of {length} bytes")
    return source.read(length).decode(errors="replace")
