"""Copies of a backup in the scratch folder: made there and nowhere else, and removed without a trace.

What a process that was killed has left is known by its lock, which nobody holds any more, and is removed before the
next copy is made. Nothing else in the folder is touched.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TypeVar

from upkeep.areas.backups import files
from upkeep.areas.backups.pace import Pace
from upkeep.areas.backups.scratch import Copy
from upkeep.areas.backups.server import RestoreError, Server, SetUpError, end_servers, environment, run_as
from upkeep.core.units import roughly
from upkeep.settings.backups import Backups, Scratch

log = logging.getLogger(__name__)

#: What names a copy's folder in the scratch folder; the same word begins the name of its socket's folder.
PREFIX = "upkeep-restore-"
#: So much more room than the backup's own bytes a copy needs: WAL that is replayed, and files that grow by it.
ROOM = 1.2
#: What cp says when the host is at fault, and not the backup.
_HOSTS_OWN = ("Permission denied", "No space left", "Disk quota")


S = TypeVar("S", bound=Server)


@contextmanager
def copy_of(
    backup: Path, config: Backups, restore: Scratch, dbname: str, ending: list[Callable[[], None]]
) -> Iterator[Copy]:
    """A copy of a backup, not started yet; whatever happens its server is stopped and its files are removed.

    ``ending`` takes what does so when the task is told to end. Raises SetUpError before anything is
    written, RestoreError when the backup cannot be copied.
    """
    backup = backup.resolve(strict=True)
    _check(backup, restore)
    needed = ROOM * max(sum(files.read_manifest(backup).files.values()), bytes_in(backup))
    with held(restore, needed, partial(Copy, restore=restore, dbname=dbname, config=config), ending) as copy:
        _fill(copy, backup)
        yield copy


@contextmanager
def held(
    restore: Scratch, needed: float, make: Callable[[Path, Path], S], ending: list[Callable[[], None]]
) -> Iterator[S]:
    """A server with a folder and a socket of its own, of which a scratch folder has room for ``needed`` bytes."""
    with _alone(restore.scratch):
        _remove_leftovers(restore)
        _room_for(needed, restore)
        folder = Path(run_as(restore, "mktemp", "-d", str(restore.scratch / f"{PREFIX}XXXXXXXX")).strip())
        socket = Path(run_as(restore, "mktemp", "-d", f"{tempfile.gettempdir()}/{PREFIX}XXXXXXXX").strip())
        lock = _locked(folder)
    server = make(folder, socket)

    def end() -> None:
        server.close()
        _remove(restore, folder, socket)

    ending.append(end)
    try:
        (folder / "socket").write_text(str(socket), encoding="utf-8")
        yield server
    finally:
        end()
        os.close(lock)


def check_programs(restore: Scratch, major: str, of: str = "the backup's") -> None:
    """Raise SetUpError without a scratch folder, or a server of a major."""
    if not restore.scratch.is_dir():
        raise SetUpError(f"found no folder {restore.scratch}, expected restore.scratch to be one")
    program = restore.programs / "postgres"
    if not os.access(program, os.X_OK):
        raise SetUpError(f"found no program {program}, expected restore.programs to hold PostgreSQL's")
    version = run_as(restore, str(program), "--version")
    found = files.MAJOR.search(version)
    if found is None or found[1] != major:
        raise SetUpError(f"{program} is {version.strip()[:100]!r}, expected one of major {major}, {of}")


def _check(backup: Path, restore: Scratch) -> None:
    """Raise SetUpError for what would not start, or would write elsewhere than in the scratch folder."""
    check_programs(restore, (backup / "PG_VERSION").read_text().strip()[:20])
    mapped = backup / "tablespace_map"  # pg_basebackup leaves an empty one where there is no tablespace
    links = [mapped] if mapped.exists() and mapped.stat().st_size else []
    links += [path for path in backup.rglob("*") if path.is_symlink()]
    if links:
        raise SetUpError(
            f"the backup leads out of its folder ({links[0].relative_to(backup)}): a tablespace, or WAL elsewhere; "
            "expected one without: a copy of it could write where the link leads, and is not made"
        )


@contextmanager
def _alone(scratch: Path) -> Iterator[None]:
    """Nobody else cleans up or begins a copy in the scratch folder meanwhile."""
    lock = os.open(scratch / ".lock", os.O_CREAT | os.O_RDWR, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _room_for(needed: float, restore: Scratch) -> None:
    free = shutil.disk_usage(restore.scratch).free
    if free < needed:
        raise SetUpError(
            f"found {roughly(free)} free in {restore.scratch}, expected at least {roughly(needed)} for a copy"
        )


def _fill(copy: Copy, backup: Path) -> None:
    """Copy the files."""
    began, pace = time.monotonic(), Pace("copying")
    total = bytes_in(backup)
    argv = [*copy.restore.run_as, "cp", "-R", "--no-dereference", str(backup), str(copy.data)]
    copying = subprocess.Popen(argv, cwd="/", env=environment(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while True:
            try:
                _, said = copying.communicate(timeout=pace.every)
                break
            except subprocess.TimeoutExpired:
                pace.tell(lambda: (bytes_in(copy.data), total))
    finally:
        copying.kill()
        copying.wait()
    if copying.returncode:
        why = f"the backup could not be copied: {said.decode(errors='replace').strip()[:500]}"
        raise SetUpError(why) if any(word in why for word in _HOSTS_OWN) else RestoreError(why)
    copy.seconds["copy"] = time.monotonic() - began
    log.info("copied %s in %.1f s", roughly(total), copy.seconds["copy"])


def bytes_in(folder: Path) -> int:
    """All bytes of a folder, its WAL among them; files that go meanwhile are no part of it."""
    found = 0
    for file in folder.rglob("*"):
        with suppress(FileNotFoundError):
            found += file.stat().st_size if file.is_file() and not file.is_symlink() else 0
    return found


# What is left of a copy --------------------------------------------------------------------------------------------


def _locked(folder: Path) -> int:
    """Hold a copy's folder for as long as this process lives."""
    lock = os.open(folder / "lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    return lock


def _remove_leftovers(restore: Scratch) -> None:
    """End and remove the copies whose process is gone, and no others."""
    for folder in sorted(restore.scratch.glob(f"{PREFIX}*")):
        try:
            lock = _locked(folder)
        except OSError:
            continue  # somebody is at work in it
        try:
            end_servers(folder / "data")
            told = folder / "socket"
            socket = Path(told.read_text(encoding="utf-8")) if told.is_file() else None
            _remove(restore, folder, socket if socket and socket.name.startswith(PREFIX) else None)
            log.info("removed %s, which a process that is gone has left", folder)
        finally:
            os.close(lock)


def _remove(restore: Scratch, folder: Path, socket: Path | None) -> None:
    for path in (folder, socket):
        if path:
            run_as(restore, "rm", "-rf", str(path))
