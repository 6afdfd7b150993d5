"""Real backups of a sandbox's cluster, and what can go wrong with them.

``take`` makes a base backup with pg_basebackup in ``<folder>/base``; the server itself archives its WAL (``Cluster``
with ``archive``). ``plant`` spoils the newest backup or the archive in one of FAULTS' ways and ``heal`` undoes it; both
may be repeated without harm.
"""

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from psycopg.conninfo import conninfo_to_dict

from sandbox.postgres import bin_dir, identity
from upkeep.areas.backups import files as backups

#: Finished backups that `take` leaves, its own among them, with the WAL that the oldest of them needs.
KEPT = 2
STALE = timedelta(hours=72)


@dataclass(frozen=True)
class Store:
    """Where one cluster's backups lie. ``wal`` is ``Cluster.archive_directory()``, ``aside`` what faults put by."""

    folder: Path
    wal: Path

    @property
    def base(self) -> Path:
        """One subfolder per base backup."""
        return self.folder / "base"

    @property
    def scratch(self) -> Path:
        """Where copies are restored; the server's user owns it."""
        return self.wal.with_name("scratch")

    @property
    def dumps(self) -> Path:
        """One subfolder per dump; the server's user reads them."""
        return self.wal.with_name("dumps")

    @property
    def aside(self) -> Path:
        """Originals of what is spoilt now, by fault."""
        return self.folder / "spoilt"

    def newest(self) -> Path:
        """The newest finished backup. Raises LookupError when there is none."""
        finished = [backup.folder for backup in backups.find(self.base) if backup.finished]
        if not finished:
            raise LookupError(f"found no finished backup in {self.base}: take one first")
        return finished[-1]


class BackupFailedError(RuntimeError):
    """pg_basebackup did not succeed; the message ends with what it said."""


def take(dsn: str, store: Store, programs: Path | None = None) -> Path:
    """Make a base backup of a running cluster (plain, SHA-256 manifest), keep only the newest; returns its folder.

    `dsn` is a superuser's. The backup takes the WAL that it needs along; the server archives it soon after.
    Raises BackupFailedError.
    """
    heal(store)  # what is spoilt must not be kept for good, nor prune by a false start time
    store.base.mkdir(parents=True, exist_ok=True)
    folder = store.base / f"{datetime.now(UTC):%Y%m%dT%H%M%S.%fZ}"
    login = conninfo_to_dict(dsn)
    where = [f"--{name}={login[key]}" for name, key in (("host", "host"), ("port", "port"), ("username", "user"))]
    options = ["--format=plain", "--wal-method=stream", "--checkpoint=fast", "--manifest-checksums=SHA256"]
    argv = [str((programs or bin_dir()) / "pg_basebackup"), *where, *options, "--no-password", "-D", str(folder)]
    environ = {**os.environ, "PGPASSWORD": str(login.get("password", ""))}
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, cwd="/", check=False)
    if done.returncode:
        raise BackupFailedError(f"pg_basebackup exited with {done.returncode}:\n{done.stdout}{done.stderr}")
    _prune(store)
    store.scratch.mkdir(mode=0o755, exist_ok=True)
    os.chown(store.scratch, identity().uid, identity().gid)
    return folder


def _prune(store: Store) -> None:
    """Forget older backups, and the WAL before the oldest one kept."""
    finished = [backup.folder for backup in backups.find(store.base) if backup.finished]
    for folder in finished[:-KEPT]:
        shutil.rmtree(folder)
    label = backups.read_label(finished[-KEPT:][0])
    first = label.start.name(label.segment_bytes)
    for file in store.wal.iterdir():
        if len(file.name) >= len(first) and file.name[: len(first)] < first:
            file.unlink()


# What can go wrong ----------------------------------------------------------------------------------------------


def _biggest(store: Store) -> Path:
    """The biggest data file of the newest backup."""
    return max(
        (file for file in (store.newest() / "base").rglob("*") if file.is_file()), key=lambda f: f.stat().st_size
    )


def _every_label(store: Store) -> Iterator[Path]:
    """Labels and manifests of all backups: were only the newest old, the one before it would be the newest."""
    for backup in backups.find(store.base):
        if backup.finished:
            yield from (backup.folder / backups.LABEL, backup.folder / backups.MANIFEST)


def _middle_segment(store: Store) -> Path:
    """A segment that the newest backup needs and behind which another one is archived: the first one."""
    label = backups.read_label(store.newest())
    return store.wal / label.start.name(label.segment_bytes)


def flip(file: Path) -> None:
    """One bit in the middle is another."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def cut(file: Path) -> None:
    """The second half is gone."""
    os.truncate(file, file.stat().st_size // 2)


def _age(file: Path) -> None:
    """Let a backup have begun earlier and be intact: its label, and the manifest that vouches for the label."""
    if file.name == backups.LABEL:
        started = backups.read_label(file.parent).started_at
        if started is None:
            raise ValueError(f"{file} does not say in UTC when its backup began")
        old, new = (f"START TIME: {moment:%Y-%m-%d %H:%M:%S} UTC" for moment in (started, started - STALE))
        file.write_text(file.read_text().replace(old, new))
        return
    label = (file.parent / backups.LABEL).read_bytes()
    file.write_text(vouching(file.read_text(), backups.LABEL, label, STALE))


def vouching(manifest: str, path: str, content: bytes, older: timedelta = timedelta(0)) -> str:
    """A manifest (SHA-256) that promises this content of a file, changed by so much earlier, and is whole itself."""
    lines = manifest.splitlines(keepends=True)
    at = next(number for number, line in enumerate(lines) if f'"Path": "{path}"' in line)
    entry = json.loads(lines[at].strip().rstrip(","))
    modified = datetime.strptime(entry["Last-Modified"], "%Y-%m-%d %H:%M:%S GMT")
    entry["Last-Modified"] = f"{modified - older:%Y-%m-%d %H:%M:%S GMT}"
    entry |= {"Size": len(content), "Checksum": hashlib.sha256(content).hexdigest()}
    lines[at] = json.dumps(entry) + (",\n" if lines[at].rstrip().endswith(",") else "\n")
    promised = "".join(lines[:-1])
    lines[-1] = f'"Manifest-Checksum": "{hashlib.sha256(promised.encode()).hexdigest()}"}}\n'
    return "".join(lines)


#: Fault → the files that it spoils, and how one is spoilt; the first file comes first.
Faults = Mapping[str, tuple[Callable[[Store], list[Path]], Callable[[Path], object]]]
FAULTS: Faults = {
    "stale": (lambda store: list(_every_label(store)), _age),
    "flipped-bit": (lambda store: [_biggest(store)], flip),
    "truncated-file": (lambda store: [_biggest(store)], cut),
    "missing-file": (lambda store: [store.newest() / "global" / "pg_control"], Path.unlink),
    "missing-segment": (lambda store: [_middle_segment(store)], Path.unlink),
    "truncated-segment": (lambda store: [_middle_segment(store)], cut),
    "unfinished": (lambda store: [store.newest() / backups.MANIFEST], Path.unlink),
    "broken-manifest": (lambda store: [store.newest() / backups.MANIFEST], cut),
}


def plant(store: Store, fault: str, faults: Faults = FAULTS) -> None:
    """Spoil the store, after putting by the originals. Raises LookupError for a fault that is not among them."""
    if fault not in faults:
        raise LookupError(f"found no fault {fault!r} of backups, expected one of: {', '.join(faults)}")
    files, spoil = faults[fault]
    aside = store.aside / fault
    if aside.exists():
        return
    aside.mkdir(parents=True)
    for number, file in enumerate(files(store)):
        shutil.copy2(file, aside / f"{number}")
        (aside / f"{number}.path").write_text(str(file))
        spoil(file)


def heal(store: Store, fault: str | None = None) -> None:
    """Put the originals back: of one fault, or of all, the last one planted first."""
    planted = sorted(store.aside.glob("*"), key=lambda aside: aside.stat().st_mtime_ns, reverse=True)
    for aside in planted if fault is None else [store.aside / fault]:
        for note in aside.glob("*.path"):
            original = Path(note.read_text())
            if original.parent.exists():  # else its backup has been forgotten meanwhile
                shutil.move(note.with_suffix(""), original)
        shutil.rmtree(aside, ignore_errors=True)
