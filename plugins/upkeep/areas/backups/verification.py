"""A base backup verified by PostgreSQL's own pg_verifybackup. Source: its page in PostgreSQL's documentation.

Names, sizes, the manifest's own checksum and the cluster's identity are held against each other each day; of the
files' checksums a share is. The program knows no shares: it is shown a folder of links to the share's files, with a
manifest of these alone.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from upkeep.areas.backups.files import MAJOR, MANIFEST, SEGMENT, Manifest
from upkeep.settings.backups import Backups

#: Characters of a program's output that a finding shows; a line stands there for each bad file.
MAX_OUTPUT = 2000
#: What names a folder of links; one that is so old was left by a process that was killed.
_PREFIX, _LEFT = "upkeep-share-", timedelta(days=2)
#: Where a backup has the WAL that it brought; it is read as a whole, as if it were a file.
OWN_WAL = "pg_wal"


class VerifyError(Exception):
    """It cannot be told whether a backup is whole; the message says why."""


@dataclass(frozen=True)
class Programs:
    """pg_verifybackup of a backup's major, pg_waldump beside it, and how long both may take, in seconds."""

    verify: str
    deadline: float

    @property
    def waldump(self) -> str:
        return str(Path(self.verify).resolve().with_name("pg_waldump"))

    def said(self, argv: Sequence[str]) -> tuple[bool, str]:
        """Whether a program says that all is well, and what it says. Raises VerifyError where it can say neither."""
        name = Path(argv[0]).name
        try:
            done = run(list(argv), max(self.deadline - time.monotonic(), 0.001))
        except subprocess.TimeoutExpired:
            raise VerifyError(f"{name} did not end within verify_timeout_seconds") from None
        except OSError as error:
            raise VerifyError(f"{name} could not be run: {error.strerror}") from None
        said = f"{done.stdout}\n{done.stderr}".strip()
        said = said if len(said) <= MAX_OUTPUT else f"{said[:MAX_OUTPUT]}…"
        if done.returncode not in (0, 1):
            raise VerifyError(f"{name} ended with {done.returncode}: {said}")
        return not done.returncode, said


def programs(config: Backups, backup: str) -> Programs:
    """The programs for a backup of this major. Raises VerifyError where config names none such."""
    found = shutil.which(config.verify_program)
    if found is None:
        raise VerifyError(f"found no program {config.verify_program}")
    _, said = Programs(found, time.monotonic() + 30).said([found, "--version"])
    tool = MAJOR.search(said)
    if tool is None or tool[1] != backup:
        raise VerifyError(
            f"{config.verify_program} is {said[:100]!r}, expected one of major {backup[:20]}, the backup's"
        )
    return Programs(found, time.monotonic() + config.verify_timeout_seconds)


def has_own_wal(folder: Path) -> bool:
    """Whether a backup brought the WAL that it needs."""
    return any(SEGMENT.fullmatch(file.name) for file in (folder / OWN_WAL).glob("*"))


def as_a_whole(tools: Programs, folder: Path, *, with_wal: bool, with_checksums: bool) -> tuple[bool, str]:
    """Names, sizes, the manifest; its own WAL, record by record, and all checksums where that is asked for."""
    less = [] if with_wal else ["--no-parse-wal"]
    less += [] if with_checksums else ["--skip-checksums"]
    return tools.said([tools.verify, *less, str(folder)])


def checksums(tools: Programs, folder: Path, manifest: Manifest, paths: Sequence[str]) -> tuple[bool, str]:
    """The checksums of some files."""
    wanted = {path: manifest.entries[path] for path in (*paths, "PG_VERSION") if path in manifest.entries}
    with _links(folder, wanted) as links:
        return tools.said([tools.verify, "--no-parse-wal", str(links)])


@contextmanager
def _links(folder: Path, entries: Mapping[str, Mapping[str, Any]]) -> Iterator[Path]:
    """A folder of links to some files of a backup, with a manifest of these alone; gone at the end."""
    _remove_left()
    whole = folder.resolve()
    with tempfile.TemporaryDirectory(prefix=_PREFIX) as name:
        for path in entries:
            link = Path(name, path)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(whole / path)
        Path(name, MANIFEST).write_bytes(_manifest(entries))
        yield Path(name)


def _manifest(entries: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Of version 1, which each major reads: it names no cluster."""
    listed = ",\n".join(json.dumps(entry, ensure_ascii=False) for entry in entries.values())
    text = f'{{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n{listed}\n],\n"WAL-Ranges": [\n],\n'
    promised = text.encode("utf-8", "surrogatepass")
    return promised + f'"Manifest-Checksum": "{hashlib.sha256(promised).hexdigest()}"}}\n'.encode()


def _remove_left() -> None:
    """What a process that was killed has left, and nothing that is in use: no verification takes so long."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        stat = folder.lstat()
        if stat.st_uid == os.getuid() and time.time() - stat.st_mtime > _LEFT.total_seconds():
            shutil.rmtree(folder, ignore_errors=True)


def run(argv: list[str], timeout_seconds: float) -> subprocess.CompletedProcess[str]:
    """Run a program of PostgreSQL without a shell; killed when its time is over or this process is told to end."""
    return subprocess.run(
        argv,
        env={"PATH": os.environ.get("PATH", "/usr/bin:/bin"), "LC_ALL": "C"},
        cwd="/",
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        timeout=timeout_seconds,
        check=False,
    )
