"""Archives in a container of Azure Blob Storage, by a SAS that may read, create and list, and nothing else.

An object is written to an unnamed file of this machine first, and sent by one request: there whole or not at all. What
is read goes through such a file too, so that no more than a block is in memory. What is in tier Archive is not read: an
online copy of it is asked for, which a SAS that may only create can do, and takes hours.

A lifecycle rule selects blobs by what their names begin with alone: objects are below a prefix of their own, so that a
rule can move them and leave manifests, records and copies where they can be read.
"""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from io import BufferedIOBase
from typing import IO

from upkeep.areas.retention.store import OBJECT, Offline, Store
from upkeep.wires.blob_answers import Blob, Exists, Missing
from upkeep.wires.blob_answers import Offline as BlobOffline
from upkeep.wires.blobs import Container
from upkeep.wires.sas import said_of

#: An online copy of an object in tier Archive.
COPY = ".rehydrated"
#: Where objects are, and all else, below a location's prefix.
OBJECTS, RECORDS = "objects/", "records/"


@dataclass(frozen=True)
class BlobStore(Store):
    """The archives of one target's class; objects are put into ``tier``.

    ``prefix`` is the location's, ``folder`` the class's below ``OBJECTS`` and ``RECORDS``; both end with ``/``.
    """

    container: Container
    prefix: str
    folder: str
    tier: str | None = None

    @property
    def place(self) -> str:
        return self.container.address(f"{self.prefix}…/{self.folder}")

    def brisk(self) -> Store:
        return replace(self, container=self.container.in_haste())

    def blob(self, name: str) -> str:
        """What the container calls an object or what is beside it."""
        return f"{self.prefix}{OBJECTS if name.endswith(OBJECT) else RECORDS}{self.folder}{name}"

    @contextmanager
    def create(self, name: str) -> Iterator[IO[bytes]]:
        with tempfile.TemporaryFile(prefix="upkeep-archive-") as file:
            yield file
            file.seek(0)
            self.container.put(self.blob(name), file, self.tier)

    @contextmanager
    def open(self, name: str) -> Iterator[BufferedIOBase]:
        with tempfile.TemporaryFile(prefix="upkeep-archive-") as file:
            self.container.download(self._readable(name), file)
            file.seek(0)
            yield file

    def read(self, name: str) -> bytes:
        try:
            return self.container.read(self.blob(name))
        except BlobOffline:
            if not self.copied(name):
                raise
            return self.container.read(self.blob(name + COPY))

    def has(self, name: str) -> bool:
        return self.container.has(self.blob(name))

    def marks(self, name: str) -> tuple[object, ...]:
        """Its size, ETag and MD5: the ETag is another one after each writing, of the same bytes too, and the same in
        another tier.
        """
        found = self.container.head(self.blob(name))
        if found.offline:
            raise BlobOffline(f"{self.container.address(self.blob(name))}: it is in tier {found.tier}")
        return found.size, found.etag, found.md5

    def version(self, name: str) -> object:
        """The same of a small object, whichever its tier."""
        found = self.container.head(self.blob(name))
        return found.size, found.etag, found.md5

    def everything(self) -> list[str]:
        # Manifests after objects: what is being made meanwhile is no orphan.
        return [name for one in (OBJECTS, RECORDS) for name in self.container.names(self.prefix + one + self.folder)]

    def unfinished(self) -> list[str]:
        """Nothing: a request that broke off leaves nothing."""
        return []

    def source(self, name: str) -> tuple[str, str]:
        return self.container.address(self._readable(name)), self.container.sas()

    def harms(self) -> list[str]:
        return harms_of(self.container, self.prefix)

    def offline(self, name: str) -> Offline | None:
        found = self.container.head(self.blob(name))
        return Offline(found.size, found.md5, found.tier) if found.offline else None

    def copied(self, name: str) -> bool:
        """Whether there is an online copy of an object, which is whole."""
        return _whole(self._copy(name))

    def ask_back(self, name: str) -> str:
        found = self._copy(name)
        if found is None:
            with suppress(Exists):  # an attempt before, whose answer was lost
                self.container.copy(self.blob(name), self.blob(name + COPY))
            return f"its rehydration was asked for, as {name + COPY}: it takes up to 15 hours"
        state = f"copy {found.copy}, tier {found.tier}"
        return f"its rehydration, as {name + COPY}, was asked for before and is not over ({state})"

    def _copy(self, name: str) -> Blob | None:
        with suppress(Missing):
            return self.container.head(self.blob(name + COPY))
        return None

    def _readable(self, name: str) -> str:
        """The object, or its copy where that alone can be read."""
        copied = self.offline(name) is not None and self.copied(name)
        return self.blob(name + COPY if copied else name)


def _whole(copy: Blob | None) -> bool:
    return copy is not None and not copy.offline and copy.copy in ("", "success")


def harms_of(container: Container, prefix: str) -> list[str]:
    """What a container's credential may do beyond reading, creating and listing: by what it says, and by trying.

    Tried on a blob that is not there: nothing is changed. Raises BlobError.
    """
    tried = container.may(f"{prefix}upkeep-{secrets.token_hex(8)}")
    said, _ = said_of(container.sas()) or ([], [])
    return sorted({*said, *(what for what, may in tried.items() if may and what != "read")})
