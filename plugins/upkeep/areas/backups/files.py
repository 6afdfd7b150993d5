"""Base backups and archived WAL as pg_basebackup and archive_command leave them: read and compared.

Sources: PostgreSQL's documentation, "Backup Manifest Format", "Continuous Archiving".
"""

from __future__ import annotations

import json
import os
import re
import struct
from array import array
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from upkeep.areas.backups.judging import SKEW

MANIFEST, LABEL = "backup_manifest", "backup_label"
#: What shows that a folder without a manifest was to become a backup.
_TRACES = (LABEL, "PG_VERSION", "base", "base.tar", "base.tar.gz", f"{MANIFEST}.tmp")
MAJOR = re.compile(r"\(PostgreSQL\) (\d+)")
SEGMENT = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})(\.(?:gz|zst|lz4|bz2|xz))?")
#: XLogLongPageHeaderData: xlp_seg_size stands behind 32 bytes.
_LONG_HEADER = struct.Struct("=32xI")
_DEFAULT_SEGMENT = 16 * 1024 * 1024
#: A segment that was written less than this ago may still be written by a plain cp. What a backup that ended less than
#: this ago needs may still be on its way to the archive.
BEING_COPIED = timedelta(seconds=60)


class BackupError(ValueError):
    """A file of a backup is not what PostgreSQL writes; the message says which and what was expected."""


@dataclass(frozen=True, order=True)
class Segment:
    """One WAL segment: its timeline and its number since the beginning."""

    timeline: int
    number: int

    def name(self, segment_bytes: int) -> str:
        """The file's name, 24 hexadecimal digits."""
        per_log = 2**32 // segment_bytes
        return f"{self.timeline:08X}{self.number // per_log:08X}{self.number % per_log:08X}"


@dataclass(frozen=True)
class Label:
    """What ``backup_label`` says. ``started_at`` is None when its time zone is an abbreviation other than UTC's."""

    start: Segment
    segment_bytes: int
    started_at: datetime | None


@dataclass(frozen=True)
class Manifest:
    """What ``backup_manifest`` promises: path → bytes, and the last WAL position that the backup needs."""

    files: dict[str, int]
    begun_at: datetime | None
    end_lsn: int
    checksums: dict[str, tuple[str, str]]  #: Path → algorithm and checksum, both empty where a file has none.


@dataclass(frozen=True)
class Backup:
    """One folder below the backups' folder. A finished one has its manifest, which pg_basebackup writes last."""

    folder: Path
    finished: bool
    started_at: datetime


def find(base: Path) -> list[Backup]:
    """The backups of a folder, the newest last; a link to one of them is none. Raises OSError: it cannot be read."""
    found = []
    for folder in base.iterdir():
        if not folder.is_dir() or folder.name.startswith(".") or _of_another(folder, base):
            continue
        whole = (folder / MANIFEST).is_file() and folder.suffix != ".partial" and not _partial(folder)
        if whole or folder.suffix == ".partial" or any((folder / trace).exists() for trace in (MANIFEST, *_TRACES)):
            found.append(Backup(folder, whole, _order(folder)))
    return sorted(found, key=lambda backup: (backup.started_at, backup.folder.name))


def _of_another(folder: Path, base: Path) -> bool:
    """Whether it is a link to a folder beside it that counts by its own name, as ``latest`` is."""
    there = folder.resolve() if folder.is_symlink() else Path()
    return there.parent == base.resolve() and not there.name.startswith(".") and there.suffix != ".partial"


def _partial(folder: Path) -> bool:
    return any(file.suffix == ".partial" for place in (folder, folder / "pg_wal") for file in place.glob("*.partial"))


def _order(folder: Path) -> datetime:
    """When a backup began, for sorting: by its label, without a readable one by the files' times."""
    try:
        if started := read_label(folder).started_at:
            return started
    except BackupError:
        pass
    newest = max((file.stat().st_mtime for file in (folder / MANIFEST, folder) if file.exists()), default=0)
    return datetime.fromtimestamp(newest, UTC)


def read_label(folder: Path, wal: Path | None = None) -> Label:
    """Read ``backup_label``; its first segment, archived or its own, tells its size where this does not.

    Raises BackupError.
    """
    try:
        lines = (folder / LABEL).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise BackupError(f"{LABEL} cannot be read: {error.strerror}") from None
    said = dict(line.split(": ", 1) for line in lines if ": " in line)
    start = re.fullmatch(r"([0-9A-F]+)/([0-9A-F]+) \(file ([0-9A-F]{24})\)", said.get("START WAL LOCATION", ""))
    if not start:
        raise BackupError(f"{LABEL} has no START WAL LOCATION such as 0/2000028 (file 000000010000000000000002)")
    lsn = (int(start[1], 16) << 32) + int(start[2], 16)
    timeline = int(start[3][:8], 16)
    places = [place / start[3] for place in (wal, folder / "pg_wal") if place]
    segment_bytes = _segment_bytes(lsn, int(start[3][16:], 16), places)
    moment = re.fullmatch(r"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d) (UTC|GMT)", said.get("START TIME", ""))
    return Label(Segment(timeline, lsn // segment_bytes), segment_bytes, _moment(moment[1]) if moment else None)


def _segment_bytes(lsn: int, last: int, places: list[Path]) -> int:
    """The cluster's segment size, from a position and the last eight digits of its file's name.

    In a log's first segment more than one fits: then the file says it, in the header of its first page.
    """
    sizes = [1 << power for power in range(20, 31)]
    fitting = [size for size in sizes if lsn % 2**32 // size == last]
    if len(fitting) == 1:
        return fitting[0]
    for file in places:
        with suppress(OSError, struct.error), file.open("rb") as opened:
            (told,) = _LONG_HEADER.unpack(opened.read(_LONG_HEADER.size))
            if told in fitting:
                return int(told)
    return _DEFAULT_SEGMENT


def _moment(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(text).replace(tzinfo=UTC)
    except ValueError:
        return None


def read_manifest(folder: Path) -> Manifest:
    """Read ``backup_manifest``. Raises BackupError."""
    try:
        return parsed((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise BackupError(f"{MANIFEST} cannot be read: {error.strerror}") from None


def parsed(manifest: bytes) -> Manifest:
    """What a manifest says. Raises BackupError."""
    try:
        content = json.loads(manifest)
        entries = {_path(entry): entry for entry in content["Files"]}
        files = {path: int(entry["Size"]) for path, entry in entries.items()}
        checksums = {
            path: (str(e.get("Checksum-Algorithm", "")), str(e.get("Checksum", ""))) for path, e in entries.items()
        }
        label: dict[str, str] = entries.get(LABEL, {})
        ends = [lsn(part["End-LSN"]) for part in content["WAL-Ranges"]]
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise BackupError(f"{MANIFEST} is not what pg_basebackup writes: {type(error).__name__} {error}") from None
    begun = _moment(str(label.get("Last-Modified", "")).removesuffix(" GMT"))
    return Manifest(files, begun, max(ends, default=0), checksums)


def _path(entry: dict[str, str]) -> str:
    path = entry["Path"] if "Path" in entry else os.fsdecode(bytes.fromhex(entry["Encoded-Path"]))
    os.fsencode(path)  # a ValueError for what no file can be called
    if path.startswith("/") or ".." in path.split("/") or "\0" in path:
        raise ValueError(f"the path {path!r} leads out of the backup")
    return path


def lsn(text: str) -> int:
    """A position in WAL as a number of bytes, from its text such as 0/2000028. Raises ValueError."""
    high, low = text.split("/")
    return (int(high, 16) << 32) + int(low, 16)


def ended_at(folder: Path) -> datetime:
    """When a finished backup ended: its manifest is written last. Raises OSError."""
    return datetime.fromtimestamp((folder / MANIFEST).stat().st_mtime, UTC)


@dataclass(frozen=True)
class Archive:
    """Archived WAL from a backup's first segment on. ``missing`` are gaps: first and last segment of each.

    The newest is the newest whole one; ``reaches`` is the position at which it begins.
    """

    segments: int
    missing: list[tuple[Segment, Segment]]
    damaged: list[str]
    newest: str
    newest_at: datetime | None
    reaches: int


def read_archive(wal: Path, label: Label, end_lsn: int, now: datetime) -> Archive:
    """Hold the archive against what the backup needs: every segment from its start to the newest archived one.

    A segment may lie there compressed (its size is then not judged); timelines older than the backup's do not count.
    The newest one may be short while it is being copied: archiving is one after the other. Raises OSError when the
    folder cannot be read.
    """
    numbers, short, start = array("Q"), [], label.start
    newest, before = None, None  # of all, and the newest but one
    for one in _archived(wal, 2**32 // label.segment_bytes):
        if one.timeline < start.timeline or one.number < start.number:
            continue
        numbers.append(one.number)
        if not one.whole(label.segment_bytes):
            short.append(one)
        if newest is None or one > newest:
            newest, before = one, newest
        elif before is None or one > before:
            before = one
    if newest in short and newest and -SKEW < now - newest.at < BEING_COPIED:
        short.remove(newest)
        newest = before
    last_needed = max(start.number, (end_lsn - 1) // label.segment_bytes)
    return Archive(
        segments=len(numbers),
        missing=_gaps(numbers, start, last_needed),
        damaged=sorted(f"{one.name}: {one.size} bytes" for one in short),
        newest=newest.name if newest else "",
        newest_at=newest.at if newest else None,
        reaches=newest.number * label.segment_bytes if newest else 0,
    )


class _Archived(NamedTuple):
    """A segment's file in the archive, in the order of segments; ``written`` is in seconds since the epoch."""

    timeline: int
    number: int
    name: str
    size: int
    written: float

    @property
    def at(self) -> datetime:
        return datetime.fromtimestamp(self.written, UTC)

    def whole(self, segment_bytes: int) -> bool:
        return self.size > 0 if "." in self.name else self.size == segment_bytes


def _archived(wal: Path, per_log: int) -> Iterator[_Archived]:
    """The archive's segments. One that is cleaned away between the listing and the look at it was never there."""
    with os.scandir(wal) as files:
        for file in files:
            match = SEGMENT.fullmatch(file.name)
            if not match:
                continue
            try:
                stat = file.stat()
            except FileNotFoundError:
                continue
            number = int(match[2], 16) * per_log + int(match[3], 16)
            yield _Archived(int(match[1], 16), number, file.name, stat.st_size, stat.st_mtime)


def _gaps(numbers: Iterable[int], start: Segment, last_needed: int) -> list[tuple[Segment, Segment]]:
    """What is missing from the start on, up to the end that the backup needs or the newest, whichever is later."""
    known = sorted(numbers)
    whole_until = start.number - 1
    gaps = []
    for number in chain(known, [last_needed + 1] if not known or known[-1] < last_needed else []):
        if number - whole_until > 1:
            gaps.append((Segment(start.timeline, whole_until + 1), Segment(start.timeline, number - 1)))
        whole_until = number
    return gaps
