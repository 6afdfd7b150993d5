"""Archives in a container of Azure Blob Storage, by a SAS that may read, create and list, and nothing else.

An object is written to an unnamed file of this machine first, and sent by one request: there whole or not at all. What
is read goes through such a file too, so that no more than a block is in memory. An object in tier Archive is not read:
an online copy of it is asked for, which a SAS that may only create can do, and takes hours.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from io import BufferedIOBase
from typing import IO

from upkeep.areas.retention.store import Offline, Store
from upkeep.wires.blobs import Blob, Container, Missing

#: An online copy of an object in tier Archive.
COPY = ".rehydrated"


@dataclass(frozen=True)
class BlobStore(Store):
    """The archives of one target's class below a prefix that ends with ``/``; objects are put into ``tier``."""

    container: Container
    prefix: str
    tier: str | None = None

    @property
    def place(self) -> str:
        return self.container.address(self.prefix)

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        with tempfile.TemporaryFile(prefix="upkeep-archive-") as file:
            yield file
            file.seek(0)
            self.container.put(self.prefix + name, file, self.tier)

    @contextmanager
    def open(self, name: str) -> Iterator[BufferedIOBase]:
        with tempfile.TemporaryFile(prefix="upkeep-archive-") as file:
            self.container.download(self._readable(name), file)
            file.seek(0)
            yield file

    def read(self, name: str) -> bytes:
        return self.container.read(self.prefix + name)

    def has(self, name: str) -> bool:
        return self.container.has(self.prefix + name)

    def marks(self, name: str) -> tuple[object, ...]:
        """Its size, ETag, MD5 and tier: the ETag is another one after each writing, of the same bytes too."""
        found = self.container.head(self.prefix + name)
        return found.size, found.etag, found.md5, found.tier

    def everything(self) -> list[str]:
        return self.container.names(self.prefix)

    def unfinished(self) -> list[str]:
        """Nothing: a request that broke off leaves nothing."""
        return []

    def source(self, name: str) -> tuple[str, str]:
        return self.container.address(self._readable(name)), self.container.sas()

    def harms(self) -> list[str]:
        """Asked of an object that is not there: nothing is changed."""
        return [what for what, may in self.container.may(f"{self.prefix}upkeep-{secrets.token_hex(8)}").items() if may]

    def offline(self, name: str) -> Offline | None:
        found = self.container.head(self.prefix + name)
        return Offline(found.size, found.md5, found.tier) if found.offline else None

    def copied(self, name: str) -> bool:
        """Whether there is an online copy of an object, which is whole."""
        return _whole(self._copy(name))

    def ask_back(self, name: str) -> str:
        found = self._copy(name)
        if found is None:
            self.container.copy(self.prefix + name, self.prefix + name + COPY)
            return f"its rehydration was asked for, as {name + COPY}: it takes up to 15 hours"
        state = f"copy {found.copy}, tier {found.tier}"
        return f"its rehydration, as {name + COPY}, was asked for before and is not over ({state})"

    def _copy(self, name: str) -> Blob | None:
        with suppress(Missing):
            return self.container.head(self.prefix + name + COPY)
        return None

    def _readable(self, name: str) -> str:
        """The object, or its copy where that alone can be read."""
        copied = self.offline(name) is not None and self.copied(name)
        return self.prefix + name + (COPY if copied else "")


def _whole(copy: Blob | None) -> bool:
    return copy is not None and not copy.offline and copy.copy in ("", "success")
