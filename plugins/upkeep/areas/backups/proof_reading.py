"""Files of backups read against the checksums of their manifests, and backups known again by these (G100).

Sources: PostgreSQL's documentation, "Backup Manifest Format"; ``src/common/checksum_helper.c`` for CRC32C's byte order.
"""

from __future__ import annotations

import hashlib
import re
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from stat import S_ISREG
from typing import Protocol

from upkeep.areas.backups import files as backups
from upkeep.areas.backups import verification
from upkeep.areas.backups.files import LABEL, MANIFEST, Backup, BackupError, Manifest
from upkeep.areas.backups.pace import Pace
from upkeep.areas.backups.proof_memory import Bad, Kept
from upkeep.core.findings import Level
from upkeep.settings.backups import Backups

_CHUNK = 2**20
#: A manifest's own checksum, and in how many of its last bytes it stands.
_OWN_CHECKSUM = re.compile(rb'"Manifest-Checksum": "([0-9a-f]{64})"')
_AT_ITS_END = 200
_BEGUN = re.compile(r"^START (?:WAL LOCATION|TIME): .*", re.MULTILINE)
_START = re.compile(r"^START WAL LOCATION: ([0-9A-F]+/[0-9A-F]+)", re.MULTILINE)
_FROM = re.compile(r"^INCREMENTAL FROM LSN: ([0-9A-F]+/[0-9A-F]+)", re.MULTILINE)
_ON = re.compile(r"^START TIMELINE: ([0-9]+)", re.MULTILINE)
_FROM_ON = re.compile(r"^INCREMENTAL FROM TLI: ([0-9]+)", re.MULTILINE)
#: A backup as a whole, as a path.
WHOLE = ""


class OutOfTimeError(Exception):
    """``verify_timeout_seconds`` are over before all was read."""


class UntoldError(Exception):
    """What cannot be told of a file on this host; the message says why."""


class _Sum(Protocol):
    def update(self, data: bytes, /) -> object: ...
    def hexdigest(self) -> str: ...


class _Crc32c:
    """As a manifest has it: the bytes in the order of the machine that made it, which is taken to be one like this.

    Raises UntoldError.
    """

    def __init__(self) -> None:
        try:
            from google_crc32c import extend  # noqa: PLC0415  # without it all but CRC32C is read all the same
        except ImportError as error:
            raise UntoldError(f"the package google-crc32c cannot be imported: {error}") from error
        self.value, self._extend = 0, extend

    def update(self, data: bytes, /) -> None:
        self.value = self._extend(self.value, data)

    def hexdigest(self) -> str:
        return self.value.to_bytes(4, sys.byteorder).hex()


def _checksum(algorithm: str) -> _Sum:
    """Raises ValueError for one that PostgreSQL does not know, and UntoldError."""
    if algorithm == "CRC32C":
        return _Crc32c()
    if algorithm in {"SHA224", "SHA256", "SHA384", "SHA512"}:
        return hashlib.new(algorithm.lower())
    raise ValueError(algorithm)


@dataclass
class Reading:
    """One look's reading: ``read`` bytes by now of ``due``, and ``until`` when it must end, by the monotonic clock.

    Manifests count, once for us and once for each pg_verifybackup that has ended, and WAL that the backup brought where
    that reads it; WAL that it reads from the archive does not.
    """

    config: Backups
    until: float
    read: int = 0
    due: int = 0
    pace: Pace = field(default_factory=lambda: Pace("backups"))
    _manifests: dict[Path, tuple[Manifest | BackupError, bool]] = field(default_factory=dict)

    def manifest(self, folder: Path) -> Manifest | None:
        """The manifest of a backup; None where it cannot be read or is not what its own checksum says."""
        told, vouches = self._told(folder)
        return told if vouches and isinstance(told, Manifest) else None

    def claimed(self, folder: Path) -> Manifest:
        """The same, whether or not it is what its own checksum says. Raises BackupError."""
        told, _ = self._told(folder)
        if isinstance(told, BackupError):
            raise told
        return told

    def _told(self, folder: Path) -> tuple[Manifest | BackupError, bool]:
        """What a manifest says, or why it says nothing, and whether its own checksum is right: read once in a look."""
        if folder not in self._manifests:
            try:
                content = (folder / MANIFEST).read_bytes()
            except OSError as error:
                self._manifests[folder] = BackupError(f"{MANIFEST} cannot be read: {error.strerror}"), False
                return self._manifests[folder]
            self.read += len(content)
            try:
                self._manifests[folder] = backups.parsed(content), vouches(content)
            except BackupError as error:
                self._manifests[folder] = error, False
        return self._manifests[folder]

    def fault(self, folder: Path, path: str) -> str:
        """What is wrong with a file of a backup; empty where all of it was read and is as promised.

        Raises OutOfTimeError, UntoldError.
        """
        manifest = self.manifest(folder)
        if manifest is None or path not in manifest.files:
            return "it is not known what it must be: the manifest does not say so"
        algorithm, promised = manifest.checksums[path]
        try:
            checksum = _checksum(algorithm) if promised else None
        except ValueError:
            return f"its manifest has a checksum {algorithm[:20]!r}, expected CRC32C, SHA224, SHA256, SHA384 or SHA512"
        file, size = folder / path, manifest.files[path]
        try:
            stat = file.stat()
            if not S_ISREG(stat.st_mode):
                return "it is no file"
            if stat.st_size != size:
                return f"{stat.st_size} bytes, expected {size}"
            with file.open("rb", buffering=0) as opened:
                while chunk := opened.read(_CHUNK):
                    self.read += len(chunk)
                    if checksum:
                        checksum.update(chunk)
                    self.left()
                    self.pace.tell(lambda: (self.read, max(self.due, self.read)))
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return "checksum mismatch" if checksum and checksum.hexdigest() != promised.lower() else ""

    def structure(self, folder: Path, less: Sequence[str]) -> tuple[Level, str]:
        """What pg_verifybackup says without reading data files: ok, critical or UNKNOWN. Raises OutOfTimeError."""
        program, wal = self.config.verify_program, self.config.wal
        level, said = verification.verify(program, folder, wal, self.left(), *less)
        if level is not Level.UNKNOWN:
            with suppress(OSError):
                self.read += (folder / MANIFEST).stat().st_size
            self.read += verification.own_wal(folder) if less == verification.WITH_WAL else 0
        return level, said

    def again(self, bad: Bad, folder: Path) -> str:
        """What is wrong still with what was bad; what cannot be told is as it was. Raises OutOfTimeError."""
        if bad.path in {WHOLE, verification.OWN_WAL}:
            less = verification.WITH_WAL if bad.path else verification.AS_A_WHOLE
            level, said = self.structure(folder, less)
            return {Level.OK: "", Level.CRITICAL: said}.get(level, bad.said)
        return self.fault(folder, bad.path)

    def left(self) -> float:
        """Seconds that are left. Raises OutOfTimeError."""
        if (left := self.until - time.monotonic()) <= 0:
            raise OutOfTimeError
        return left


def own_checksum(folder: Path) -> str:
    """The checksum that a manifest has of itself, at its end; empty without one."""
    try:
        return _read_own_checksum(folder)
    except OSError:
        return ""


def _read_own_checksum(folder: Path) -> str:
    with (folder / MANIFEST).open("rb") as opened:
        opened.seek(max(opened.seek(0, 2) - _AT_ITS_END, 0))
        return _promised(opened.read())


def _promised(end: bytes) -> str:
    found = _OWN_CHECKSUM.search(end)
    return found[1].decode() if found else ""


def vouches(manifest: bytes) -> bool:
    """Whether a manifest is as its own checksum says."""
    body, _, _ = manifest.rpartition(b'"Manifest-Checksum"')
    return hashlib.sha256(body).hexdigest() == _promised(manifest[-_AT_ITS_END:])


class Shelf:
    """The backups that are there."""

    def __init__(self, found: Sequence[Backup]) -> None:
        self.found = found
        self._folders = {self.kept(one): one.folder for one in found}

    def kept(self, backup: Backup) -> Kept:
        begun = begun_in(backup.folder)
        return Kept(name=backup.folder.name, checksum=own_checksum(backup.folder), begun=begun)

    def folder(self, one: Kept) -> Path | None:
        """Where a backup lies: with its manifest, also under another name; or under its name, begun when it was."""
        if one in self._folders:
            return self._folders[one]
        if one.checksum and (same := [path for kept, path in self._folders.items() if kept.checksum == one.checksum]):
            return same[-1]
        named = [path for kept, path in self._folders.items() if (kept.name, kept.begun) == (one.name, one.begun)]
        return named[0] if named and one.begun else None

    def chain(self, newest: Backup) -> tuple[list[Backup], str]:
        """A backup and those that it is built on, where it is incremental; and from where one is that is not there."""
        links, above = [newest], _said(_FROM, newest)
        begun = {(_said(_START, one), _said(_ON, one)): one for one in self.found if one.finished} if above else {}
        while above and (parent := begun.get((above, _said(_FROM_ON, links[-1])))) and parent not in links:
            links.append(parent)
            above = _said(_FROM, parent)
        return links, above


def _said(what: re.Pattern[str], backup: Backup) -> str:
    found = what.search(_label(backup.folder))
    return found[1] if found else ""


def begun_in(folder: Path) -> str:
    """Where and when a backup began, by the lines of its label; empty where that cannot be read."""
    return _begun(_label(folder))


def _begun(label: str) -> str:
    return "; ".join(_BEGUN.findall(label))[:300]


def identity(folder: Path) -> tuple[str, str]:
    """Where and when a backup began, and its manifest's own checksum; empty is what is not there. Raises OSError."""
    begun, checksum = "", ""
    with suppress(FileNotFoundError, NotADirectoryError):
        begun = _begun((folder / LABEL).read_text(encoding="utf-8", errors="replace"))
    with suppress(FileNotFoundError, NotADirectoryError):
        checksum = _read_own_checksum(folder)
    return begun, checksum


def mark_of(folder: Path) -> str:
    """By what a backup's folder is known under another name: its file system, its inode, and when that of its manifest
    last changed, for a new folder may get the inode of one that was removed. Raises OSError.
    """
    there = folder.stat()
    return f"{there.st_dev}:{there.st_ino}:{(folder / MANIFEST).stat().st_ctime_ns}"


def _label(folder: Path) -> str:
    try:
        return (folder / LABEL).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
