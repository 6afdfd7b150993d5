"""Archives in a directory of this machine, or one that a share is mounted on.

An object is written under another name, synced, and linked: there whole or not at all.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import IO

from upkeep.areas.retention.store import Store


@dataclass(frozen=True)
class LocalStore(Store):
    """The archives of one target's class in a folder below its location."""

    folder: Path

    @property
    def place(self) -> str:
        return str(self.folder)

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
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

    def path(self, name: str) -> Path:
        """Where an object lies."""
        return self.folder / name

    def open(self, name: str) -> AbstractContextManager[BufferedIOBase]:
        return self.path(name).open("rb")

    def read(self, name: str) -> bytes:
        return self.path(name).read_bytes()

    def has(self, name: str) -> bool:
        return self.path(name).exists()

    def marks(self, name: str) -> tuple[object, ...]:
        """Its size and both its times."""
        found = self.path(name).stat()
        return found.st_size, found.st_mtime_ns, found.st_ctime_ns

    def everything(self) -> list[str]:
        return [path.name for path in self.folder.glob("[!.]*")]

    def unfinished(self) -> list[str]:
        return [path.name for path in self.folder.glob(".*.new")]

    def source(self, name: str) -> tuple[str, str]:
        return str(self.path(name)), ""


def _sync(folder: Path) -> None:
    opened = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(opened)
    finally:
        os.close(opened)
