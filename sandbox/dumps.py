"""Real dumps of a sandbox's target by pg_dump, and what can go wrong with them.

``take`` makes one in the directory format in ``Store.dumps``; ``FAULTS`` are planted and healed by ``sandbox.backups``.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from sandbox.backups import KEPT, STALE, BackupFailedError, Faults, Store, cut, flip, heal
from sandbox.postgres import bin_dir, identity
from upkeep.areas.backups import dump_files

#: One that was written within the last minute counts as under way: the first daily window comes sooner than that.
_RESTED = timedelta(minutes=2)
#: Where the time stands in the header: behind PGDMP, three bytes of version, the sizes of numbers and of offsets, the
#: format and the compression. It is seven numbers of a sign and four bytes: second, minute, hour, day, month, ...
_TIME, _NUMBERS, _NUMBER = 12, 7, 5


def take(dsn: str, store: Store) -> Path:
    """Dump a database (directory format, gzip), keep only the newest; returns the dump's folder.

    ``dsn`` is a superuser's. Raises BackupFailedError.
    """
    heal(store)
    store.dumps.mkdir(mode=0o755, exist_ok=True)
    made = store.dumps / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    unfinished = made.with_name(f"{made.name}.partial")
    argv = [str(bin_dir() / "pg_dump"), "--format=directory", "--no-password", f"--file={unfinished}", dsn]
    environ = os.environ | {"TZ": "UTC"}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        shutil.rmtree(unfinished, ignore_errors=True)
        raise BackupFailedError(f"pg_dump exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    rested = (datetime.now(UTC) - _RESTED).timestamp()
    for file in (*unfinished.iterdir(), unfinished):
        os.chown(file, identity().uid, identity().gid)  # pg_restore reads it as the server's user
        os.utime(file, (rested, rested))
    unfinished.rename(made)
    for older in _all(store)[:-KEPT]:
        shutil.rmtree(older)
    return made


def _all(store: Store) -> list[Path]:
    """The finished dumps, the newest last."""
    found = dump_files.find(store.dumps, ZoneInfo("UTC"), datetime.now(UTC))
    return [one.path for one in found if one.state is dump_files.State.FINISHED]


def newest(store: Store) -> Path:
    """The newest finished dump. Raises LookupError when there is none."""
    found = _all(store) if store.dumps.exists() else []
    if not found:
        raise LookupError(f"found no finished dump in {store.dumps}: take one first")
    return found[-1]


def _tables_of_contents(store: Store) -> list[Path]:
    """Of all dumps: were only the newest old, the one before it would be the newest."""
    return [newest(store) / dump_files.TOC, *(one / dump_files.TOC for one in _all(store)[:-1])]


def _biggest(store: Store) -> list[Path]:
    """The data of the biggest table of the newest dump."""
    data = (file for file in newest(store).iterdir() if file.name != dump_files.TOC)
    return [max(data, key=lambda file: file.stat().st_size)]


def begun_earlier(content: bytes, older: timedelta) -> bytes:
    """A dump, or its table of contents, that says that it was begun so much earlier, on a host in UTC."""
    header = dump_files.read_header(content, ZoneInfo("UTC"))
    at = header.begun_at - older
    numbers = (at.second, at.minute, at.hour, at.day, at.month - 1, at.year - 1900, 0)
    told = b"".join(b"\0" + number.to_bytes(_NUMBER - 1, "little") for number in numbers)
    return content[:_TIME] + told + content[_TIME + _NUMBERS * _NUMBER :]


def _age(file: Path) -> None:
    file.write_bytes(begun_earlier(file.read_bytes(), STALE))


def _in_place(spoil: Callable[[Path], object]) -> Callable[[Path], object]:
    """As a disk spoils a file: its time stays, or it would count as being written."""

    def spoilt(file: Path) -> None:
        stat = file.stat()
        spoil(file)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    return spoilt


#: Fault → the files that it spoils, and how one is spoilt, as in ``sandbox.backups``.
FAULTS: Faults = {
    "stale-dump": (_tables_of_contents, _in_place(_age)),
    "corrupt-dump": (_biggest, _in_place(flip)),
    "dump-truncated-file": (_biggest, _in_place(cut)),
    "dump-missing-file": (_biggest, Path.unlink),
    "dump-unfinished": (lambda store: [newest(store) / dump_files.TOC], Path.unlink),
}
