"""Where archives lie: a directory in which an object is created once, never overwritten and never deleted.

An object is written under another name, synced, and linked: there whole or not at all. The manifest is written last;
an object without one is an orphan.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from upkeep.settings.retention import Retention

OBJECT, MANIFEST = ".parquet", ".manifest.json"
#: How objects and manifests are written.
VERSION = 2
#: The versions that are read, with a column of the object that is none of the log's: once the md5 of each row.
READ_VERSIONS = {1: "upkeep_row_md5", VERSION: ""}
#: Beside a manifest: the deletion of its rows from the log has begun; it is over.
BEGUN, DELETED = ".deleting.json", ".deleted.json"
#: An archive's name: its month, and what makes it unlike any other.
_NAME = re.compile(r"\d{4}-\d\d_\w+", re.ASCII)


@dataclass(frozen=True)
class Store:
    """The archives of one target's class."""

    folder: Path

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write, which is there under its name when the block ends well. Raises FileExistsError, OSError."""
        location = self.folder.parent.parent
        if not location.is_dir():  # what is to be mounted there is not, and the disk beneath would take it
            raise FileNotFoundError(f"found no folder {location}, expected the location of config/retention.yaml")
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{name}.{secrets.token_hex(4)}.new"
        try:
            with unfinished.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.link(unfinished, self.folder / name)
            _sync(self.folder)
        finally:
            with suppress(OSError):
                unfinished.unlink()

    def put(self, name: str, content: dict[str, Any]) -> None:
        """A small JSON file, created once."""
        with self.create(name) as file:
            file.write(json.dumps(content, indent=1, sort_keys=True).encode())

    def path(self, name: str) -> Path:
        """Where an object lies."""
        return self.folder / name

    def names(self, ending: str) -> list[str]:
        """The objects of a sort, without the ending, the oldest first; whoever writes there gives other names too, and
        those are no archives.
        """
        found = [path.name.removesuffix(ending) for path in self.folder.glob(f"[!.]*{ending}")]
        return sorted(name for name in found if ending != MANIFEST or _NAME.fullmatch(name))

    def manifest(self, name: str) -> tuple[dict[str, Any], str]:
        """A manifest and its SHA-256. Raises OSError, ValueError."""
        raw = self.path(name + MANIFEST).read_bytes()
        found = json.loads(raw)
        if not isinstance(found, dict):
            raise TypeError(f"found {name + MANIFEST} that is no manifest")
        return found, hashlib.sha256(raw).hexdigest()

    def manifest_sha256(self, name: str) -> str:
        """A manifest's SHA-256, whatever it says. Raises OSError."""
        return hashlib.sha256(self.path(name + MANIFEST).read_bytes()).hexdigest()

    def record(self, name: str) -> dict[str, Any]:
        """What a small JSON file says, empty when there is none. Raises OSError, ValueError."""
        found = json.loads(self.path(name).read_bytes()) if self.has(name) else {}
        return found if isinstance(found, dict) else {}

    def has(self, name: str) -> bool:
        """Whether there is such an object."""
        return self.path(name).exists()

    def waiting(self) -> list[str]:
        """The archives whose rows have not all been deleted from their log."""
        return [name for name in self.names(MANIFEST) if not self.has(name + DELETED)]

    def orphans(self) -> list[str]:
        """What no manifest names: an archive that was not finished, or whose manifest was taken away."""
        known = {name + OBJECT for name in self.names(MANIFEST)}
        unfinished = [path.name for path in self.folder.glob(".*.new")]
        return sorted([*unfinished, *(name + OBJECT for name in self.names(OBJECT) if name + OBJECT not in known)])


def store_of(retention: Retention, target: str, name: str) -> Store | None:
    """Where the archives of a target's class lie, None where no path is set."""
    one = retention.classes.get(name)
    path = retention.locations[one.location].path if one else None
    return Store(path / target / name) if path else None


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
